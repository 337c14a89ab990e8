package lint

import (
	"os"
	"testing"
)

// TestModule holds the module's own source against every rule.
func TestModule(t *testing.T) {
	tree, err := Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if tree.Module != "github.com/godwitdb/godwit" || len(tree.Go) < 20 {
		t.Fatalf("read %d Go files of module %q: this is not the source tree", len(tree.Go), tree.Module)
	}
	for _, b := range codeBounds {
		if lines, _ := tree.codeOf(b.dir); lines > 0 {
			t.Logf("bar: code lines of %s | %d | at most %d", b.dir, lines, b.linesMax)
		}
	}
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			for _, p := range Excuse(rule.Name, rule.Check(tree)) {
				t.Error(p)
			}
			if t.Failed() {
				t.Logf("the rule: %s", rule.Why)
			}
		})
	}
}
