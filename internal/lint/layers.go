package lint

import (
	"path"
	"slices"
	"strings"
)

// layer is a set of packages that may import those of the layers before it,
// and not each other. A package stands for itself and those below its folder,
// which may import each other.
type layer struct {
	packages []string // folders; "." is the root package
	// only, if not nil, narrows what the layer's packages may import of this
	// module to these.
	only []string
}

// layers are the packages of the module from the bottom up. A new package
// takes its place here: the lowest that what it imports allows.
var layers = []layer{
	// What knows nothing of the database.
	{packages: []string{"internal/cpu", "internal/dberr", "internal/fifo", "internal/hlc", "internal/invariant", "internal/large", "internal/lint", "internal/mutant", "internal/rdb", "internal/resp", "internal/script"}},
	// Data structures of the keyspace that know only an interface.
	{packages: []string{"internal/keyspace/counted"}, only: []string{}},
	// The world outside, injected; memory without pointers.
	{packages: []string{"internal/env", "internal/arena", "internal/history", "internal/metric"}},
	{packages: []string{"internal/epoch", "internal/folder"}},
	// The layout of what is in the database.
	{packages: []string{"internal/record"}},
	// Public building blocks that stand alone.
	{packages: []string{"quorum", "speculate"}, only: []string{"internal/env", "internal/invariant"}},
	{packages: []string{"internal/index"}},
	// Execution runs ahead of the log and appends to it; the log and the
	// checkpoints know nothing of who executes.
	{packages: []string{"internal/wal"}},
	{packages: []string{"internal/checkpoint"}},
	{packages: []string{"internal/occ"}},
	{packages: []string{"internal/image", "internal/once"}},
	{packages: []string{"internal/catalog"}},
	// Replicated logs, a shard, transactions across shards, the cluster.
	{packages: []string{"internal/stream"}},
	{packages: []string{"internal/shard"}},
	{packages: []string{"internal/procedure"}},
	{packages: []string{"internal/txn"}},
	{packages: []string{"internal/cluster"}},
	// The embedded database, the server on it.
	{packages: []string{"."}},
	{packages: []string{"internal/keyspace", "godwitprom", "godwitotel"}},
	{packages: []string{"internal/command"}},
	{packages: []string{"internal/acl", "internal/console"}},
	{packages: []string{"internal/server"}},
	{packages: []string{"internal/admin"}},
	// Workloads see an interface that they declare themselves.
	{packages: []string{"bench"}, only: []string{}},
	{packages: []string{"internal/sim", "baseline"}},
	{packages: []string{"cmd", "e2e"}},
}

// place finds the layer of a folder and the entry that puts it there: the
// longest one above it.
func place(dir string) (height int, entry string, ok bool) {
	for i, l := range layers {
		for _, p := range l.packages {
			if (dir == p || p != "." && under(dir, p)) && len(p) > len(entry) {
				height, entry, ok = i, p, true
			}
		}
	}
	return height, entry, ok
}

// checkLayers demands that imports within the module point downwards. It holds
// for tests too: what tests need is at the bottom.
func checkLayers(t *Tree) []Problem {
	var problems []Problem
	unplaced := map[string]bool{}
	for _, f := range t.Go {
		if f.Nested {
			continue
		}
		height, entry, ok := place(f.Dir())
		if !ok {
			if !unplaced[f.Dir()] {
				unplaced[f.Dir()] = true
				problems = append(problems, t.at(f.Syntax.Package,
					"package %s has no place in the layers; give it one in internal/lint/layers.go", f.Dir()))
			}
			continue
		}
		for _, spec := range f.Syntax.Imports {
			full := importPath(spec)
			if !under(full, t.Module) {
				continue
			}
			dir := path.Join(".", strings.TrimPrefix(full, t.Module))
			dir = strings.TrimPrefix(dir, "/")
			if dir == "" {
				dir = "."
			}
			below, belowEntry, known := place(dir)
			allowed := belowEntry == entry || below < height
			if only := layers[height].only; only != nil && belowEntry != entry {
				allowed = slices.Contains(only, belowEntry)
			}
			if known && !allowed {
				problems = append(problems, t.at(spec.Pos(), "%s must not import %s: dependencies point down the layers of internal/lint/layers.go", f.Dir(), dir))
			}
		}
	}
	return problems
}

// dependency is a foreign module and the folders that may import it.
type dependency struct {
	module string
	in     []string // folders; nil allows all
	why    string
}

// dependencies are the modules that the product's go.mod may name for its own
// packages. Modules nested in this one choose theirs freely.
var dependencies = []dependency{
	{"golang.org/x/sys", []string{".", "internal/arena", "internal/env", "internal/sim/realslow", "bench", "cmd", "e2e"}, "system calls that package syscall lacks"},
	{"github.com/cespare/xxhash/v2", []string{"internal/keyspace"}, "a fast hash whose values are the same for ever"},
	{"golang.org/x/crypto", []string{"internal/acl"}, "argon2id for passwords"},
	{"golang.org/x/term", []string{"cmd"}, "line editing in the shell"},
	{"github.com/spf13/cobra", []string{"cmd"}, "commands and flags"},
	{"github.com/spf13/pflag", []string{"cmd"}, "the flags of cobra"},
	{"github.com/pelletier/go-toml/v2", []string{"cmd"}, "the file of settings"},
	{"github.com/anishathalye/porcupine", []string{"internal/history"}, "the linearizability checker of the field, for single keys"},
	{"github.com/prometheus/client_golang", []string{"godwitprom", "internal/admin", "cmd"}, "the adapter from our metrics to the format that everyone scrapes"},
	{"go.opentelemetry.io/otel", []string{"godwitotel", "cmd"}, "spans as the collectors of all vendors read them, and how they are sent"},
	{"go.opentelemetry.io/proto/otlp", []string{"cmd"}, "in a test, what a collector reads"},
	{"google.golang.org/protobuf", []string{"cmd"}, "in a test, what a collector reads"},
	{"github.com/HdrHistogram/hdrhistogram-go", []string{"bench"}, "latencies at a known precision in bounded memory"},
	{"github.com/google/btree", []string{"bench/refengine"}, "the ordered map of the engine that workloads are tested on"},
	{"github.com/yuin/gopher-lua", []string{"internal/script"}, "Lua 5.1 for scripts"},
	{"gonum.org/v1/plot", []string{"bench/plot"}, "charts of results"},
}

// checkDependencies demands that foreign imports are in the table.
func checkDependencies(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.Go {
		if f.Nested {
			continue
		}
		for _, spec := range f.Syntax.Imports {
			full := importPath(spec)
			first, _, _ := strings.Cut(full, "/")
			if !strings.Contains(first, ".") || under(full, t.Module) {
				continue
			}
			i := slices.IndexFunc(dependencies, func(d dependency) bool { return under(full, d.module) })
			switch {
			case i < 0:
				problems = append(problems, t.at(spec.Pos(), "%s is not among the dependencies of internal/lint/layers.go", full))
			case dependencies[i].in != nil && !slices.ContainsFunc(dependencies[i].in, func(dir string) bool {
				return f.Dir() == dir || dir != "." && under(f.Dir(), dir)
			}):
				problems = append(problems, t.at(spec.Pos(), "%s may not be imported in %s: it is here for %s", full, f.Dir(), dependencies[i].why))
			}
		}
	}
	return problems
}
