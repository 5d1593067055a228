// Command schema tells what only the Go types of Kubernetes know, for `cargo xtask codegen`.
//
//	schema facts     writes, as JSON, every type reachable from the served kinds and how its fields are encoded
//	schema vectors   writes, as lines of text, objects in protobuf with the JSON that Go makes of them
package main

import (
	"fmt"
	"os"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// kinds answers a scheme with every kind that a host or a member may serve.
func kinds() (*runtime.Scheme, error) {
	all := runtime.NewScheme()
	metav1.AddToGroupVersion(all, metav1.Unversioned)
	for _, add := range []func(*runtime.Scheme) error{
		scheme.AddToScheme, apiextensionsv1.AddToScheme, apiregistrationv1.AddToScheme, metav1.AddMetaToScheme,
	} {
		if err := add(all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func run(arguments []string) error {
	all, err := kinds()
	if err != nil {
		return err
	}
	if len(arguments) == 1 && arguments[0] == "facts" {
		return writeFacts(os.Stdout, all)
	}
	if len(arguments) == 1 && arguments[0] == "vectors" {
		return writeVectors(os.Stdout, all)
	}
	return fmt.Errorf("usage: schema facts | schema vectors")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}
