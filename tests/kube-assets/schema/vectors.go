package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sort"
	"strings"

	"koinon.io/tests/kube-assets/schema/fill"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

// objectsPerKind is how many objects of each kind are written.
const objectsPerKind = 2

// leavesMax bounds the size of an object, so that the file stays small.
const leavesMax = 45

// groups are the groups whose kinds are written; older versions have no kinds of their own worth testing.
var groups = []schema.GroupVersion{
	{Group: "", Version: "v1"}, {Group: "admissionregistration.k8s.io", Version: "v1"},
	{Group: "apiextensions.k8s.io", Version: "v1"}, {Group: "apiregistration.k8s.io", Version: "v1"},
	{Group: "apps", Version: "v1"}, {Group: "authentication.k8s.io", Version: "v1"},
	{Group: "authorization.k8s.io", Version: "v1"}, {Group: "autoscaling", Version: "v1"},
	{Group: "autoscaling", Version: "v2"}, {Group: "batch", Version: "v1"},
	{Group: "certificates.k8s.io", Version: "v1"}, {Group: "coordination.k8s.io", Version: "v1"},
	{Group: "discovery.k8s.io", Version: "v1"}, {Group: "events.k8s.io", Version: "v1"},
	{Group: "flowcontrol.apiserver.k8s.io", Version: "v1"}, {Group: "networking.k8s.io", Version: "v1"},
	{Group: "node.k8s.io", Version: "v1"}, {Group: "policy", Version: "v1"},
	{Group: "rbac.authorization.k8s.io", Version: "v1"}, {Group: "scheduling.k8s.io", Version: "v1"},
	{Group: "storage.k8s.io", Version: "v1"},
}

// writeVectors writes a line for each object: its protobuf envelope in base64, a space, its JSON.
func writeVectors(out io.Writer, all *runtime.Scheme) error {
	writer := bufio.NewWriter(out)
	fmt.Fprintln(writer, "# Objects as Go clients send them in protobuf, and the JSON Go makes of them; by `cargo xtask codegen`.")
	serializer := protobuf.NewSerializer(all, all)
	for _, groupVersion := range groups {
		known := all.KnownTypes(groupVersion)
		names := make([]string, 0, len(known))
		for name, goType := range known {
			if hasProtobuf(goType) && wanted(groupVersion.WithKind(name), goType) {
				names = append(names, name)
			}
		}
		sort.Strings(names)
		for _, name := range names {
			for i := range objectsPerKind {
				if err := writeVector(writer, serializer, all, groupVersion.WithKind(name), uint64(i)); err != nil {
					return fmt.Errorf("%s: %w", groupVersion.WithKind(name), err)
				}
			}
		}
	}
	return writer.Flush()
}

// wanted leaves out the lists, except for one of each shape, and the query options.
func wanted(gvk schema.GroupVersionKind, goType reflect.Type) bool {
	switch gvk.Kind {
	case "DeploymentList", "ConfigMapList", "DeleteOptions":
		return gvk.Kind != "DeleteOptions" || gvk.Group == ""
	case "PodStatusResult", "RangeAllocation", "SerializedReference", "ConversionReview":
		return false // in no OpenAPI document
	}
	unversioned := strings.HasPrefix(gvk.Kind, "API") && gvk.Kind != "APIService"
	return !strings.HasSuffix(gvk.Kind, "List") && !optionsOf(gvk, goType) && !unversioned
}

func writeVector(
	out io.Writer, serializer *protobuf.Serializer, all *runtime.Scheme, gvk schema.GroupVersionKind, number uint64,
) error {
	object, err := all.New(gvk)
	if err != nil {
		return err
	}
	fill.Object(object, gvk.String(), number, leavesMax)
	object.GetObjectKind().SetGroupVersionKind(gvk)

	var envelope bytes.Buffer
	if err := serializer.Encode(object, &envelope); err != nil {
		return err
	}
	// What a server holds is what it decoded, not what the client had.
	decoded, _, err := serializer.Decode(envelope.Bytes(), &gvk, nil)
	if err != nil {
		return err
	}
	decoded.GetObjectKind().SetGroupVersionKind(gvk)
	text, err := json.Marshal(decoded)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s %s\n", base64.StdEncoding.EncodeToString(envelope.Bytes()), text)
	return err
}
