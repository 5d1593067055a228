package main

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Facts is the document that `schema facts` writes.
type Facts struct {
	Kinds []Kind          `json:"kinds"`
	Types map[string]Type `json:"types"`
}

// Kind is a kind and the name of its type.
type Kind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
	Type    string `json:"type"`
}

// Type is a struct, with its fields as they stand in JSON.
type Type struct {
	Fields []Field `json:"fields"`
}

// Field is one field of a struct.
type Field struct {
	Name    string `json:"name"`
	Tag     int    `json:"tag"`             // 0: not in protobuf
	Outer   []int  `json:"outer,omitempty"` // the numbers of the inlined messages it sits in, outermost first
	Pointer bool   `json:"pointer,omitempty"`
	Empty   string `json:"empty"` // written, omitted, omittedzero
	Type    string `json:"type"`  // see expression
	Form    string `json:"form,omitempty"`
}

// leaves are the types that are not encoded as their Go fields say.
var leaves = map[reflect.Type][2]string{
	reflect.TypeFor[metav1.Time]():                                  {"T", ""},
	reflect.TypeFor[metav1.MicroTime]():                             {"U", ""},
	reflect.TypeFor[resource.Quantity]():                            {"Q", ""},
	reflect.TypeFor[intstr.IntOrString]():                           {"I", ""},
	reflect.TypeFor[runtime.RawExtension]():                         {"?", "raw"},
	reflect.TypeFor[metav1.FieldsV1]():                              {"?", "raw"},
	reflect.TypeFor[apiextensionsv1.JSON]():                         {"!", "raw"},
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrArray]():       {"!", "schema-or-array"},
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrBool]():        {"!", "schema-or-bool"},
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrStringArray](): {"!", "schema-or-strings"},
}

// named is what generated types know themselves as in OpenAPI documents.
type named interface{ OpenAPIModelName() string }

// message is what types with a protobuf encoding of their own have.
type message interface{ Marshal() ([]byte, error) }

// walk collects the types reachable from what it is given.
type walk struct {
	types map[string]Type
}

func writeFacts(out io.Writer, all *runtime.Scheme) error {
	facts := Facts{Types: map[string]Type{}}
	collector := walk{types: facts.Types}
	for gvk, goType := range all.AllKnownTypes() {
		if gvk.Version == runtime.APIVersionInternal || !hasProtobuf(goType) || optionsOf(gvk, goType) {
			continue
		}
		if err := collector.visit(goType); err != nil {
			return fmt.Errorf("%s: %w", gvk, err)
		}
		facts.Kinds = append(facts.Kinds, Kind{gvk.Group, gvk.Version, gvk.Kind, modelName(goType)})
	}
	sort.Slice(facts.Kinds, func(i, j int) bool { return less(facts.Kinds[i], facts.Kinds[j]) })
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", " ")
	return encoder.Encode(facts)
}

func less(a, b Kind) bool {
	return strings.Join([]string{a.Group, a.Version, a.Kind}, "/") < strings.Join([]string{b.Group, b.Version, b.Kind}, "/")
}

func hasProtobuf(goType reflect.Type) bool {
	return reflect.PointerTo(goType).Implements(reflect.TypeFor[message]())
}

// optionsOf tells the query options and watch events, which every group registers and no body carries.
func optionsOf(gvk schema.GroupVersionKind, goType reflect.Type) bool {
	switch gvk.Kind {
	case "ListOptions", "GetOptions", "WatchEvent":
		return true
	case "DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions":
		// One DeleteOptions is enough: its type does not depend on the group it is sent to.
		return gvk.Group != "" || gvk.Kind != "DeleteOptions"
	}
	return gvk.Group == "" && gvk.Version == "v1" && strings.HasSuffix(gvk.Kind, "Options")
}

func modelName(goType reflect.Type) string {
	if value, ok := reflect.Zero(goType).Interface().(named); ok {
		return value.OpenAPIModelName()
	}
	path := strings.Replace(goType.PkgPath(), "k8s.io", "io.k8s", 1)
	return strings.ReplaceAll(path, "/", ".") + "." + goType.Name()
}

// visit adds a struct and all it refers to.
func (w walk) visit(goType reflect.Type) error {
	name := modelName(goType)
	if _, seen := w.types[name]; seen {
		return nil
	}
	w.types[name] = Type{Fields: []Field{}}
	fields, err := w.fields(goType, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	sort.Slice(fields, func(i, j int) bool { return fields[i].Name < fields[j].Name })
	w.types[name] = Type{Fields: fields}
	return nil
}

// fields lists the fields of a struct as JSON shows them; those of inlined messages carry their numbers.
func (w walk) fields(goType reflect.Type, outer []int) ([]Field, error) {
	fields := []Field{}
	for i := range goType.NumField() {
		goField := goType.Field(i)
		jsonName, jsonFlags, _ := strings.Cut(goField.Tag.Get("json"), ",")
		tag := protobufTag(goField)
		if jsonName == "-" || !goField.IsExported() {
			continue
		}
		if jsonName == "" {
			if goField.Type == reflect.TypeFor[metav1.TypeMeta]() {
				continue
			}
			if tag == 0 || len(outer) == 2 || goField.Type.Kind() != reflect.Struct {
				return nil, fmt.Errorf("inlined field %s: this nesting is not provided for", goField.Name)
			}
			inlined, err := w.fields(goField.Type, append(slices.Clone(outer), tag))
			if err != nil {
				return nil, err
			}
			fields = append(fields, inlined...)
			continue
		}
		field := Field{Name: jsonName, Tag: tag, Outer: outer, Empty: emptiness(jsonFlags)}
		fieldType := goField.Type
		if fieldType.Kind() == reflect.Pointer {
			field.Pointer = true
			fieldType = fieldType.Elem()
		}
		var err error
		if field.Type, field.Form, err = w.expression(fieldType); err != nil {
			return nil, fmt.Errorf("field %s: %w", goField.Name, err)
		}
		fields = append(fields, field)
	}
	return fields, nil
}

// expression writes a type: a letter for a leaf, {} and [] before the type of values and items, $ before a name.
func (w walk) expression(goType reflect.Type) (string, string, error) {
	if leaf, found := leaves[goType]; found {
		return leaf[0], leaf[1], nil
	}
	switch goType.Kind() {
	case reflect.String:
		return "s", "", nil
	case reflect.Bool:
		return "b", "", nil
	case reflect.Int32, reflect.Int16, reflect.Int8:
		return "i", "", nil
	case reflect.Int64, reflect.Int, reflect.Uint32:
		return "l", "", nil
	case reflect.Float64:
		return "n", "", nil
	case reflect.Struct:
		return "$" + modelName(goType), "", w.visit(goType)
	case reflect.Slice:
		if goType.Elem().Kind() == reflect.Uint8 {
			return "y", "", nil
		}
		items, form, err := w.expression(goType.Elem())
		if hasProtobuf(goType) {
			if items != "s" {
				return "", "", fmt.Errorf("%s: a list message of %s is not provided for", goType, items)
			}
			form = "strings"
		}
		return "[]" + items, form, err
	case reflect.Map:
		if goType.Key().Kind() != reflect.String {
			return "", "", fmt.Errorf("%s: keys must be strings", goType)
		}
		values, form, err := w.expression(goType.Elem())
		return "{}" + values, form, err
	}
	return "", "", fmt.Errorf("%s is not provided for", goType)
}

func protobufTag(goField reflect.StructField) int {
	parts := strings.Split(goField.Tag.Get("protobuf"), ",")
	if len(parts) < 2 {
		return 0
	}
	tag, _ := strconv.Atoi(parts[1])
	return tag
}

func emptiness(jsonFlags string) string {
	switch {
	case strings.Contains(jsonFlags, "omitzero"):
		return "omittedzero"
	case strings.Contains(jsonFlags, "omitempty"):
		return "omitted"
	}
	return "written"
}
