package lint

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// linesMax is the most lines that a file may have. Most should have far fewer.
const linesMax = 900

// checkLength demands that no file is longer than linesMax. Generated files and
// lists of checksums are nobody's reading.
func checkLength(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.Text {
		if bytes.HasPrefix(f.Source, []byte("// Code generated ")) || strings.HasSuffix(f.Path, "go.mod") {
			continue
		}
		if n := bytes.Count(f.Source, []byte("\n")); n > linesMax {
			problems = append(problems, Problem{Path: f.Path, Message: fmt.Sprintf("%d lines, more than %d: split it by its ideas", n, linesMax)})
		}
	}
	return problems
}

// marker matches the words that stand for work put off.
var marker = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

// checkMarkers demands that nothing says it is unfinished.
func checkMarkers(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.Text {
		line := 0
		for text := range bytes.Lines(f.Source) {
			line++
			if word := marker.Find(text); word != nil {
				problems = append(problems, Problem{Path: f.Path, Line: line, Message: fmt.Sprintf("%s: finish it", word)})
			}
		}
	}
	return problems
}

// checkPackageDoc demands a comment on each package: "Package x ..." or, on a
// command, its name.
func checkPackageDoc(t *Tree) []Problem {
	var problems []Problem
	type pkg struct {
		first      *File
		documented bool
	}
	packages := map[string]*pkg{}
	var order []string
	for _, f := range t.Go {
		p := packages[f.Dir()]
		if p == nil {
			p = &pkg{first: f}
			packages[f.Dir()] = p
			order = append(order, f.Dir())
		}
		if p.first.IsTest() && !f.IsTest() {
			p.first = f
		}
		if doc := f.Syntax.Doc; doc != nil {
			name := strings.TrimSuffix(f.Syntax.Name.Name, "_test")
			p.documented = p.documented || f.IsMain() || strings.HasPrefix(doc.Text(), "Package "+name+" ")
		}
	}
	for _, dir := range order {
		if p := packages[dir]; !p.documented {
			problems = append(problems, t.at(p.first.Syntax.Package, "package %s has no comment that says what it is for", p.first.Syntax.Name.Name))
		}
	}
	return problems
}
