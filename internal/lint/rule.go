package lint

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is a place that breaks a rule.
type Problem struct {
	Path    string // from the root of the tree
	Line    int    // from 1 up, 0 for the whole file
	Symbol  string // what is declared there, where the rule is about a declaration
	Message string // what is wrong and what to do
}

// String returns the problem as compilers print theirs.
func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.Path, p.Message)
	}
	return fmt.Sprintf("%s:%d: %s", p.Path, p.Line, p.Message)
}

// Rule is one property that the source has to have.
type Rule struct {
	Name  string
	Why   string
	Check func(*Tree) []Problem
}

// Rules returns all rules.
func Rules() []Rule {
	return []Rule{
		{"layers", "dependencies point one way, so that a part can be understood, tested and simulated without those above it", checkLayers},
		{"dependencies", "each foreign module is named with the reason why it beats code of our own", checkDependencies},
		{"seams", "code that the simulator runs gets its clock, network, disk and randomness passed in", checkSeams},
		{"exit", "only a command may end the process; everything below it returns an error", checkExit},
		{"init", "importing a package has no effect", checkInit},
		{"globals", "several databases in one process share nothing", checkGlobals},
		{"packagedoc", "each package says what it is for", checkPackageDoc},
		{"sleep", "a test waits for a condition, never for a time", checkSleep},
		{"skip", "a test that does not run proves nothing", checkSkip},
		{"markers", "what is left to do is done, or is written where work is planned", checkMarkers},
		{"length", "a file is one idea, short enough to read in one sitting", checkLength},
		{"codelines", "that protocols written on package quorum are short is a promise", checkCodeLines},
		{"twins", "each routine in assembly has a twin in Go, for other processors and to test it against", checkTwins},
	}
}

// exception lets one place break one rule.
type exception struct {
	rule   string
	path   string // the file
	symbol string // the declaration, empty for any place in the file
	why    string
}

// exceptions are the places that may break a rule.
var exceptions = []exception{
	{"globals", "internal/arena/map_heap.go", "released", "race builds: without it most of the time of tests that open databases goes into their memory"},
	{"skip", "internal/env/syncer_linux_test.go", "openDirect", "temporary files may be in memory, whose file system may not write directly; on any other one it fails instead"},
	{"skip", "e2e/clients/server_test.go", "program", "the servers and tools of others may be missing; what they are is in e2e/README.md"},
	{"skip", "e2e/clients/redirect_test.go", "TestRedirect", "a server whose address was given may not be one of several that redirect"},
	{"skip", "e2e/console/console_test.go", "needed", "a browser and axe may be missing; what they are is in e2e/README.md"},
	{"skip", "e2e/differential/differential_test.go", "TestDifferential", "a redis-server may be missing; what it is for is in e2e/README.md"},
	{"skip", "bench/peers/servers/servers_test.go", "programs", "the servers that are compared may be missing; what they are is in the package's comment"},
}

// Excuse returns the problems that rule's exceptions do not cover, and one
// problem for each of its exceptions that covers none.
func Excuse(rule string, problems []Problem) []Problem {
	return excuse(exceptions, rule, problems)
}

func excuse(exceptions []exception, rule string, problems []Problem) []Problem {
	var left []Problem
	used := make([]bool, len(exceptions))
	for _, p := range problems {
		i := slices.IndexFunc(exceptions, func(e exception) bool {
			return e.rule == rule && e.path == p.Path && (e.symbol == "" || e.symbol == p.Symbol)
		})
		if i < 0 {
			left = append(left, p)
			continue
		}
		used[i] = true
	}
	for i, e := range exceptions {
		if e.rule == rule && !used[i] {
			left = append(left, Problem{Path: e.path, Symbol: e.symbol,
				Message: strings.TrimSpace("has an exception that it no longer needs " + e.symbol)})
		}
	}
	return left
}
