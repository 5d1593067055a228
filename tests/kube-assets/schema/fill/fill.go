// Package fill fills objects with values that are as often empty as not: the empty ones are where encodings and
// defaults differ.
package fill

import (
	"hash/fnv"
	"math/rand/v2"
	"reflect"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// depthMax keeps recursive types finite.
const depthMax = 9

type filler struct {
	*rand.Rand
	leaves int
}

// Object fills the object behind a pointer: the same name and number give the same object, of about leavesMax leaves.
func Object(object any, name string, number uint64, leavesMax int) {
	digest := fnv.New64a()
	digest.Write([]byte(name))
	fill := filler{Rand: rand.New(rand.NewPCG(digest.Sum64(), number)), leaves: leavesMax}
	fill.value(reflect.ValueOf(object).Elem(), 0)
}

// one tells whether something with odds of one in n happens.
func (f *filler) one(n int) bool { return f.IntN(n) == 0 }

func (f *filler) value(value reflect.Value, depth int) {
	if f.leaves <= 0 || depth > depthMax || f.special(value) {
		return
	}
	switch value.Kind() {
	case reflect.Pointer:
		if f.one(2) {
			return
		}
		value.Set(reflect.New(value.Type().Elem()))
		if !f.one(3) {
			f.value(value.Elem(), depth+1)
		}
	case reflect.Struct:
		// From a random field on, so that a small budget does not always go to the first ones.
		n := value.NumField()
		for i, start := 0, f.IntN(max(n, 1)); i < n; i++ {
			f.value(value.Field((start+i)%n), depth+1)
		}
	case reflect.Slice:
		f.slice(value, depth)
	case reflect.Map:
		if f.one(2) {
			return
		}
		value.Set(reflect.MakeMap(value.Type()))
		for range 1 + f.IntN(2) {
			key, item := reflect.New(value.Type().Key()).Elem(), reflect.New(value.Type().Elem()).Elem()
			key.SetString(f.word())
			f.value(item, depth+1)
			value.SetMapIndex(key, item)
		}
	default:
		f.leaf(value)
	}
}

func (f *filler) slice(value reflect.Value, depth int) {
	if f.one(2) {
		return
	}
	if value.Type().Elem().Kind() == reflect.Uint8 {
		value.SetBytes([]byte{0, 255, byte(f.IntN(256))}[:f.IntN(4)])
		return
	}
	n := f.IntN(3)
	value.Set(reflect.MakeSlice(value.Type(), n, n))
	for i := range n {
		f.value(value.Index(i), depth+1)
	}
}

func (f *filler) leaf(value reflect.Value) {
	f.leaves--
	if f.one(3) {
		return
	}
	switch value.Kind() {
	case reflect.String:
		value.SetString(f.word())
	case reflect.Bool:
		value.SetBool(true)
	case reflect.Int32:
		value.SetInt([]int64{1, 80, -1, 1<<31 - 1, -1 << 31}[f.IntN(5)])
	case reflect.Int64:
		value.SetInt([]int64{1, 300, -7, 1<<63 - 1, -1 << 63}[f.IntN(5)])
	case reflect.Float64:
		value.SetFloat([]float64{0.5, -2.25, 1e9}[f.IntN(3)])
	}
}

func (f *filler) word() string {
	return []string{"a", "web", "é✓", "line\n\"quoted\"", "example.com/key"}[f.IntN(5)]
}

// special fills the types whose fields follow rules of their own, and tells whether it did.
func (f *filler) special(value reflect.Value) bool {
	json := []byte([]string{`{"a":[1,null,{"b":"c"}]}`, `{}`, `{"replicas":0}`}[f.IntN(3)])
	var filled any
	switch value.Interface().(type) {
	case metav1.TypeMeta:
		return true
	case metav1.Time:
		filled = metav1.NewTime(time.Unix(int64(f.IntN(2_000_000_000)), 0))
	case metav1.MicroTime:
		filled = metav1.NewMicroTime(time.Unix(int64(f.IntN(2_000_000_000)), int64(f.IntN(1_000_000))*1000))
	case resource.Quantity:
		filled = resource.MustParse([]string{"0", "100m", "1500m", "1Gi", "1536Mi", "2e3", "0.1"}[f.IntN(7)])
	case intstr.IntOrString:
		filled = []intstr.IntOrString{intstr.FromInt32(8080), intstr.FromString("25%"), intstr.FromString("")}[f.IntN(3)]
	case runtime.RawExtension:
		filled = runtime.RawExtension{Raw: json}
	case metav1.FieldsV1:
		filled = metav1.FieldsV1{Raw: json}
	case apiextensionsv1.JSON:
		filled = apiextensionsv1.JSON{Raw: []byte([]string{`1`, `"text"`, `{"x":[true]}`, `null`}[f.IntN(4)])}
	case apiextensionsv1.JSONSchemaPropsOrArray:
		one := apiextensionsv1.JSONSchemaProps{Type: f.word()}
		filled = []apiextensionsv1.JSONSchemaPropsOrArray{
			{Schema: &one}, {JSONSchemas: []apiextensionsv1.JSONSchemaProps{one, {}}},
		}[f.IntN(2)]
	case apiextensionsv1.JSONSchemaPropsOrBool:
		filled = []apiextensionsv1.JSONSchemaPropsOrBool{
			{Allows: true, Schema: &apiextensionsv1.JSONSchemaProps{Format: f.word()}}, {Allows: true}, {},
		}[f.IntN(3)]
	case apiextensionsv1.JSONSchemaPropsOrStringArray:
		filled = []apiextensionsv1.JSONSchemaPropsOrStringArray{
			{Schema: &apiextensionsv1.JSONSchemaProps{Title: f.word()}}, {Property: []string{f.word(), "b"}},
		}[f.IntN(2)]
	default:
		return false
	}
	f.leaves--
	if !f.one(4) {
		value.Set(reflect.ValueOf(filled))
	}
	return true
}
