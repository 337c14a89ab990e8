package lint

import (
	"fmt"
	"go/ast"
	"go/scanner"
	"go/token"
	"slices"
	"strings"
)

// codeBound is how many lines of code a package may have, and what it may lean on:
// code that was moved elsewhere would not count.
type codeBound struct {
	dir      string // with the folders below it
	linesMax int
	imports  []string // folders of this module
}

// codeBounds are the protocols whose point is how short they are.
var codeBounds = []codeBound{
	{"quorum/raft", 900, []string{"quorum", "quorum/journal", "internal/env"}},
	{"quorum/copilot", 1000, []string{"quorum", "quorum/journal", "internal/env"}},
}

// codeColumnsMax is how wide a line of such code may be, a tab counting as four.
const codeColumnsMax = 140

// checkCodeLines holds the packages in codeBounds to their bounds. Blank lines,
// comments and tests do not count.
func checkCodeLines(t *Tree) []Problem {
	var problems []Problem
	for _, b := range codeBounds {
		lines, files := t.codeOf(b.dir)
		if lines > b.linesMax {
			problems = append(problems, Problem{Path: b.dir, Message: fmt.Sprintf("%d lines of code, more than %d", lines, b.linesMax)})
		}
		for _, f := range files {
			for _, spec := range f.Syntax.Imports {
				dir, ours := strings.CutPrefix(importPath(spec), t.Module+"/")
				if ours && !under(dir, b.dir) && !slices.Contains(b.imports, dir) {
					problems = append(problems, t.at(spec.Pos(), "%s counts its lines of code, and not those of %s", b.dir, dir))
				}
			}
			line := 0
			for text := range strings.Lines(string(f.Source)) {
				line++
				text = strings.TrimRight(text, "\r\n")
				if n := len(text) + 3*strings.Count(text, "\t"); n > codeColumnsMax {
					problems = append(problems, Problem{Path: f.Path, Line: line, Message: fmt.Sprintf("%d columns, more than %d, in code whose lines count", n, codeColumnsMax)})
				}
			}
		}
	}
	return problems
}

// codeOf returns the lines of code in a folder and below it, and the files that
// hold them.
func (t *Tree) codeOf(dir string) (lines int, files []*File) {
	for _, f := range t.Go {
		if under(f.Dir(), dir) && !f.IsTest() && !f.Nested {
			lines += t.codeLines(f)
			files = append(files, f)
		}
	}
	return lines, files
}

// codeLines counts the lines of a file that hold code. A statement that begins on
// the line of another one in its block counts like a line of its own.
func (t *Tree) codeLines(f *File) int {
	lines := map[int]bool{}
	file := token.NewFileSet().AddFile(f.Path, -1, len(f.Source))
	var s scanner.Scanner
	s.Init(file, f.Source, nil, 0) // without comments
	for pos, tok, text := s.Scan(); tok != token.EOF; pos, tok, text = s.Scan() {
		if tok == token.SEMICOLON && text == "\n" {
			continue // the end of a line is none
		}
		for i := range 1 + strings.Count(text, "\n") {
			lines[file.Line(pos)+i] = true
		}
	}
	count := len(lines)
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		var list []ast.Stmt
		switch n := n.(type) {
		case *ast.BlockStmt:
			list = n.List
		case *ast.CaseClause:
			list = n.Body
		case *ast.CommClause:
			list = n.Body
		}
		for i := 1; i < len(list); i++ {
			if t.fset.Position(list[i].Pos()).Line == t.fset.Position(list[i-1].End()).Line {
				count++
			}
		}
		return true
	})
	return count
}
