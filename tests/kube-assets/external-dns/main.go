// Command external-dns is ExternalDNS with one provider, rfc2136, and one registry, txt.
//
// Flags, sources, provider, registry and planner are those of the module sigs.k8s.io/external-dns; what is
// left out are the other providers, whose cloud libraries are most of what its own main package builds. It
// synchronises once, as `external-dns --once` does, and says on standard output what it changed: one line
// "create|update|delete TYPE NAME TARGETS" for each endpoint, then "end".
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"sigs.k8s.io/external-dns/endpoint"
	"sigs.k8s.io/external-dns/pkg/apis/externaldns"
	"sigs.k8s.io/external-dns/pkg/apis/externaldns/validation"
	"sigs.k8s.io/external-dns/plan"
	"sigs.k8s.io/external-dns/provider"
	"sigs.k8s.io/external-dns/provider/rfc2136"
	"sigs.k8s.io/external-dns/registry/txt"
	"sigs.k8s.io/external-dns/source"
	"sigs.k8s.io/external-dns/source/annotations"
	"sigs.k8s.io/external-dns/source/wrappers"
)

// Longer than a synchronisation takes on a busy machine; a server that does not answer ends it.
const patience = time.Minute

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "external-dns:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	config := externaldns.NewConfig()
	if err := config.ParseFlags(args); err != nil {
		return fmt.Errorf("failed to read the flags: %w", err)
	}
	if err := validation.ValidateConfig(config); err != nil {
		return fmt.Errorf("failed to check the flags: %w", err)
	}
	annotations.SetAnnotationPrefix(config.AnnotationPrefix)
	sourceConfig, err := source.NewSourceConfig(config)
	if err != nil {
		return fmt.Errorf("failed to configure the sources: %w", err)
	}
	sources, err := wrappers.Build(ctx, sourceConfig)
	if err != nil {
		return fmt.Errorf("failed to follow the sources: %w", err)
	}
	filter := endpoint.NewDomainFilterWithOptions(
		endpoint.WithDomainFilter(config.DomainFilter),
		endpoint.WithDomainExclude(config.DomainExclude),
	)
	dns, err := rfc2136.New(ctx, config, filter)
	if err != nil {
		return fmt.Errorf("failed to make the provider: %w", err)
	}
	registry, err := txt.New(config, dns)
	if err != nil {
		return fmt.Errorf("failed to make the registry: %w", err)
	}
	current, err := registry.Records(ctx)
	if err != nil {
		return fmt.Errorf("failed to read the zone: %w", err)
	}
	ctx = context.WithValue(ctx, provider.RecordsContextKey, current)
	wanted, err := sources.Endpoints(ctx)
	if err != nil {
		return fmt.Errorf("failed to read the sources: %w", err)
	}
	if wanted, err = registry.AdjustEndpoints(wanted); err != nil {
		return fmt.Errorf("failed to adjust endpoints: %w", err)
	}
	planned := &plan.Plan{
		Policies:       []plan.Policy{plan.Policies[config.Policy]},
		Current:        current,
		Desired:        wanted,
		DomainFilter:   endpoint.MatchAllDomainFilters{filter, registry.GetDomainFilter()},
		ManagedRecords: config.ManagedDNSRecordTypes,
		ExcludeRecords: config.ExcludeDNSRecordTypes,
		OwnerID:        registry.OwnerID(),
	}
	changes := planned.Calculate().Changes
	if changes.HasChanges() {
		if err := registry.ApplyChanges(ctx, changes); err != nil {
			return fmt.Errorf("failed to change the zone: %w", err)
		}
	}
	tell("create", changes.Create)
	tell("update", changes.UpdateNew)
	tell("delete", changes.Delete)
	fmt.Println("end")
	return nil
}

func tell(what string, endpoints []*endpoint.Endpoint) {
	for _, one := range endpoints {
		fmt.Println(what, one.RecordType, one.DNSName, strings.Join(one.Targets, ","))
	}
}
