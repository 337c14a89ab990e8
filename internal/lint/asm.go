package lint

import (
	"bytes"
	"regexp"
	"strings"
)

// symbol matches the routine that a line of assembly begins.
var symbol = regexp.MustCompile(`^TEXT\s+·(\w+)(?:<>)?\(SB\)`)

// checkTwins demands for each routine in assembly a Go function of that name
// with a body, built on processors without assembly and, with the tag purego,
// on all of them; and that the tag leaves the assembly out.
func checkTwins(t *Tree) []Problem {
	var problems []Problem
	for _, asm := range t.Asm {
		arch := processorOf(asm)
		if arch == "" {
			problems = append(problems, Problem{Path: asm.Path, Message: "the file's name does not end in the processor it is for"})
			continue
		}
		if asm.BuiltFor(arch, "purego") {
			problems = append(problems, Problem{Path: asm.Path, Message: "built with the tag purego too: begin it with //go:build !purego"})
		}
		line := 0
		for text := range bytes.Lines(asm.Source) {
			line++
			m := symbol.FindSubmatch(text)
			if m == nil || bytes.Contains(m[0], []byte("<>")) {
				continue
			}
			name := string(m[1])
			for _, build := range []struct {
				arch string
				tags []string
				says string
			}{
				{"riscv64", nil, "on processors without assembly"},
				{arch, []string{"purego"}, "with the tag purego"},
			} {
				if !t.hasBody(asm.Dir(), name, build.arch, build.tags) {
					problems = append(problems, Problem{Path: asm.Path, Line: line, Symbol: name, Message: name + " has no twin in Go " + build.says})
				}
			}
		}
	}
	return problems
}

// processorOf returns the processor in an assembly file's name.
func processorOf(f *File) string {
	for _, p := range processors {
		if strings.HasSuffix(f.Path, "_"+p+".s") {
			return p
		}
	}
	return ""
}

// hasBody tells whether the folder has a function of that name with a body in
// a build for arch with tags.
func (t *Tree) hasBody(dir, name, arch string, tags []string) bool {
	for _, f := range t.Go {
		if f.Dir() != dir || f.IsTest() || !f.BuiltFor(arch, tags...) {
			continue
		}
		for _, fn := range f.functions() {
			if fn.Name.Name == name && fn.Recv == nil && fn.Body != nil {
				return true
			}
		}
	}
	return false
}
