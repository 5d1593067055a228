// Command defaults writes objects and what Kubernetes' own code makes of them, for `cargo xtask codegen`.
//
// Each line is an object in JSON, a tab, and the object after it went through its Go type and upstream's defaulting
// functions. The objects are those of objects.jsonl, written by people, and one random object of each kind.
package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"koinon.io/tests/kube-assets/schema/fill"

	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/authentication/install"
	_ "k8s.io/kubernetes/pkg/apis/authorization/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/certificates/install"
	_ "k8s.io/kubernetes/pkg/apis/coordination/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	_ "k8s.io/kubernetes/pkg/apis/events/install"
	_ "k8s.io/kubernetes/pkg/apis/flowcontrol/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/node/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
)

// leavesMax bounds the size of the random objects.
const leavesMax = 60

//go:embed objects.jsonl
var written string

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "defaults:", err)
		os.Exit(1)
	}
}

func run() error {
	all := legacyscheme.Scheme
	if err := apiextensionsv1.AddToScheme(all); err != nil {
		return err
	}
	if err := apiextensionsv1.RegisterDefaults(all); err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintln(out, "# Objects, and what upstream's types and defaults make of them; by `cargo xtask codegen`.")
	for line := range strings.Lines(written) {
		if err := write(out, all, strings.TrimSpace(line)); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	for _, gvk := range kinds(all) {
		object, err := all.New(gvk)
		if err != nil {
			return err
		}
		fill.Object(object, gvk.String(), 7, leavesMax)
		object.GetObjectKind().SetGroupVersionKind(gvk)
		text, err := json.Marshal(object)
		if err != nil {
			return err
		}
		if err := write(out, all, string(text)); err != nil {
			return fmt.Errorf("%s: %w", gvk, err)
		}
	}
	return out.Flush()
}

// kinds lists the kinds that a server stores, in their stable versions.
func kinds(all *runtime.Scheme) []schema.GroupVersionKind {
	var found []schema.GroupVersionKind
	for gvk := range all.AllKnownTypes() {
		stable := gvk.Version == "v1" || gvk.Version == "v2"
		_, listed := all.AllKnownTypes()[gvk.GroupVersion().WithKind(gvk.Kind+"List")]
		// A random definition is a random schema of schemas: large, and about nothing that is defaulted.
		if stable && listed && gvk.Kind != "CustomResourceDefinition" && gvk.Kind != "RangeAllocation" {
			found = append(found, gvk)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].String() < found[j].String() })
	return found
}

func write(out *bufio.Writer, all *runtime.Scheme, text string) error {
	var meta struct{ APIVersion, Kind string }
	if err := json.Unmarshal([]byte(text), &meta); err != nil {
		return err
	}
	object, err := all.New(schema.FromAPIVersionAndKind(meta.APIVersion, meta.Kind))
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), object); err != nil {
		return err
	}
	all.Default(object)
	after, err := json.Marshal(object)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\t%s\n", text, after)
	return err
}
