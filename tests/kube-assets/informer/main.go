// Command informer is what a typed Go controller does first: it syncs informers of Deployments and
// ConfigMaps, says so, and prints what they hold.
//
// client-go decides by KUBE_FEATURE_WatchListClient (true or false) whether the initial state comes
// as a streaming list or as a list and a watch. Output: "synced watchlist=<bool>", then one line
// "have <resource> <namespace>/<name>" for each object, in order, then "end". With -follow, one line
// "added|updated|deleted <resource> <namespace>/<name> <resourceVersion>" for each later change, until
// standard input closes.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/features"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "path of the kubeconfig")
	namespace := flag.String("namespace", metav1.NamespaceAll, "namespace to follow; empty means all")
	protobuf := flag.Bool("protobuf", false, "ask for protobuf instead of JSON")
	follow := flag.Bool("follow", false, "print later changes until standard input closes")
	timeout := flag.Duration("timeout", 30*time.Second, "give up when not synced by then")
	flag.Parse()
	if err := run(*kubeconfig, *namespace, *protobuf, *follow, *timeout); err != nil {
		fmt.Fprintln(os.Stderr, "informer:", err)
		os.Exit(1)
	}
}

func run(kubeconfig, namespace string, protobuf, follow bool, timeout time.Duration) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	if protobuf {
		config.ContentType = "application/vnd.kubernetes.protobuf"
		config.AcceptContentTypes = "application/vnd.kubernetes.protobuf"
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	followed := map[string]cache.SharedIndexInformer{
		"configmaps":  factory.Core().V1().ConfigMaps().Informer(),
		"deployments": factory.Apps().V1().Deployments().Informer(),
	}
	changes := &printer{}
	for resource, informer := range followed {
		if _, err := informer.AddEventHandler(changes.handler(resource)); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	waiting, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	for kind, synced := range factory.WaitForCacheSync(waiting.Done()) {
		if !synced {
			return fmt.Errorf("%v did not sync within %v", kind, timeout)
		}
	}
	changes.start(followed)
	if follow {
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	return nil
}

// printer holds changes back until the initial state has been printed.
type printer struct {
	mutex   sync.Mutex
	started bool
}

func (p *printer) start(followed map[string]cache.SharedIndexInformer) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	fmt.Printf("synced watchlist=%v\n", features.FeatureGates().Enabled(features.WatchListClient))
	for _, resource := range []string{"configmaps", "deployments"} {
		keys := followed[resource].GetStore().ListKeys()
		sort.Strings(keys)
		for _, key := range keys {
			fmt.Printf("have %s %s\n", resource, key)
		}
	}
	fmt.Println("end")
	p.started = true
}

func (p *printer) changed(what, resource string, object any) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	meta, ok := object.(metav1.Object)
	if !ok || !p.started {
		return
	}
	fmt.Printf("%s %s %s/%s %s\n", what, resource, meta.GetNamespace(), meta.GetName(), meta.GetResourceVersion())
}

func (p *printer) handler(resource string) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, initial bool) {
			if !initial {
				p.changed("added", resource, object)
			}
		},
		UpdateFunc: func(_, object any) { p.changed("updated", resource, object) },
		DeleteFunc: func(object any) { p.changed("deleted", resource, object) },
	}
}
