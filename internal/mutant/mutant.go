// Package mutant plants mistakes in a source and demands that tests find them. A mistake
// is a patch that is compiled in with the go command's overlay, so the source
// itself has no switches for it.
//
// Kill is for ordinary tests: it runs those that a mutant names with it, and fails if
// they pass.
//
// Find is for what is found by seeds, of simulations. A package with such mutants has
// two tests. The victim's looks for mistakes with seeds; without a mistake it
// looks at a few seeds only and passes. The other calls Find, which builds the
// package's tests with each mutant, runs the victim, and fails if that passes.
package mutant

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Mutant is a mistake in a source file: each text in Edits is replaced by the
// one behind it.
type Mutant struct {
	Name  string
	File  string // from the module's root
	Edits []string
	// Seed, for Find, is tried first if it is not 0: the mistake was found there, and
	// is again unless the simulation has changed meanwhile.
	Seed uint64
	// Tests, for Kill, is the regular expression of the tests that find it.
	Tests string
}

const (
	// killTries is how often tests that use chance may pass before a mutant has
	// survived them.
	killTries = "3"
	// killTimeout ends tests that a mutant makes wait for ever.
	killTimeout = "60s"
)

// Kill demands that of the tests of the package in the folder pkg those that a mutant
// names fail with it, in the invariants build. root is the module's folder.
func Kill(t *testing.T, root, pkg string, mutants []Mutant) {
	t.Helper()
	each(t, root, mutants, func(t *testing.T, root string, m *Mutant) {
		cmd := exec.CommandContext(t.Context(), build(t, root, pkg, m, "-tags", "invariants"), "-test.run", m.Tests, "-test.failfast", "-test.count", killTries, "-test.timeout", killTimeout)
		cmd.Dir = pkg
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Fatalf("it survives %s\n%s", m.Tests, out)
		}
		t.Logf("%.200s", out)
	})
}

// each runs f for each mutant, side by side, unless the tests are to be short.
func each(t *testing.T, root string, mutants []Mutant, f func(t *testing.T, root string, m *Mutant)) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the package anew for each mutant")
	}
	root, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			f(t, root, &m)
		})
	}
}

// seedEnv tells the victim which seed it tries first, and onlyEnv that it tries no
// other.
const (
	seedEnv = "GODWIT_MUTANT_SEED"
	onlyEnv = "GODWIT_MUTANT_ONLY"
)

// found is in front of what the victim says.
const found = "the mistake is found by seed "

// Victim calls look with seeds, and fails the test with what it returns first.
// It tries a lot of them if there is a mutant, and few if there is none.
func Victim(t *testing.T, few, many uint64, look func(seed uint64) error) {
	t.Helper()
	count := few
	try := func(seed uint64) {
		if err := look(seed); err != nil {
			t.Fatalf("%s%d: %v", found, seed, err)
		}
	}
	if s := os.Getenv(seedEnv); s != "" {
		hint, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if hint > 0 {
			try(hint)
		}
		if os.Getenv(onlyEnv) != "" {
			return
		}
		count = many
	}
	for seed := uint64(1); seed <= count; seed++ {
		try(seed)
	}
}

// Find demands that the test named victim, of the package in the working folder,
// finds each mutant, and does not find anything in the protocol as it is with the
// same seed. root is the module's folder.
func Find(t *testing.T, root, victim string, mutants []Mutant) {
	t.Helper()
	each(t, root, mutants, func(t *testing.T, root string, m *Mutant) {
		binary := build(t, root, ".", m)
		try := func(binary, seed, only string) ([]byte, error) {
			cmd := exec.CommandContext(t.Context(), binary, "-test.run", "^"+victim+"$")
			cmd.Env = append(os.Environ(), seedEnv+"="+seed, onlyEnv+"="+only)
			return cmd.CombinedOutput()
		}
		out, err := try(binary, strconv.FormatUint(m.Seed, 10), "")
		_, what, ok := strings.Cut(string(out), found)
		if err == nil || !ok {
			t.Fatalf("it is not found: %v\n%s", err, out)
		}
		what, _, _ = strings.Cut(what, "\n")
		t.Log("seed " + what[:min(len(what), 160)])
		seed, _, _ := strings.Cut(what, ":")
		if out, err := try(os.Args[0], seed, "only"); err != nil {
			t.Errorf("without the mistake seed %s fails too: %v\n%s", seed, err, out)
		}
	})
}

// build builds the tests of the package in the folder pkg with a mutant.
func build(t *testing.T, root, pkg string, m *Mutant, flags ...string) (binary string) {
	t.Helper()
	original := filepath.Join(root, filepath.FromSlash(m.File))
	source, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	planted := string(source)
	for i := 0; i < len(m.Edits); i += 2 {
		if n := strings.Count(planted, m.Edits[i]); n != 1 {
			t.Fatalf("the place of edit %d is there %d times", i/2, n)
		}
		planted = strings.Replace(planted, m.Edits[i], m.Edits[i+1], 1)
	}
	dir := t.TempDir()
	changed := filepath.Join(dir, "changed.go")
	if err := os.WriteFile(changed, []byte(planted), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "victim.test")
	args := append([]string{"test", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-c", "-o", binary}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(args, pkg)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("it does not compile: %v\n%s", err, out)
	}
	return binary
}
