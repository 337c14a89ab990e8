package lint

import (
	"go/ast"
	"go/token"
	"strings"
)

// checkInit demands that there are no init functions.
func checkInit(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.Go {
		for _, decl := range f.Syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				problems = append(problems, t.at(fn.Pos(), "init runs when the package is imported: make it a function that is called"))
			}
		}
	}
	return problems
}

// checkGlobals demands that a package-level variable is an error, an interface
// check, an embedded file or a table that is never written. Tests may have
// flags and tables of any kind.
func checkGlobals(t *Tree) []Problem {
	var problems []Problem
	written := map[string]map[string]bool{} // folder -> names that are assigned somewhere
	for _, f := range t.Go {
		if written[f.Dir()] == nil {
			written[f.Dir()] = map[string]bool{}
		}
		f.written(written[f.Dir()])
	}
	for _, f := range t.Go {
		if f.IsTest() {
			continue
		}
		for _, decl := range f.Syntax.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, s := range gen.Specs {
				spec, ok := s.(*ast.ValueSpec)
				if !ok {
					continue
				}
				for i, name := range spec.Names {
					var value ast.Expr
					if i < len(spec.Values) {
						value = spec.Values[i]
					}
					if name.Name == "_" || embedded(gen.Doc) || embedded(spec.Doc) {
						continue
					}
					var why string
					switch {
					case isError(name.Name) && isSelector(value):
						continue // another package's error under this one's name
					case !constant(value):
						why = "is a package-level variable: pass it in, or make it a constant"
					case written[f.Dir()][name.Name]:
						why = "is a package-level table that is written to: pass it in"
					default:
						continue
					}
					p := t.at(name.Pos(), "%s %s", name.Name, why)
					p.Symbol = name.Name
					problems = append(problems, p)
				}
			}
		}
	}
	return problems
}

// isError tells whether a variable has an error's name.
func isError(name string) bool {
	return strings.HasPrefix(name, "Err") || strings.HasPrefix(name, "err")
}

// isSelector tells whether e names something of another package.
func isSelector(e ast.Expr) bool {
	_, ok := e.(*ast.SelectorExpr)
	return ok
}

// embedded tells whether a declaration's comment embeds files.
func embedded(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// pure are the functions whose result may stand in a package-level variable:
// each returns a value that nobody changes.
var pure = map[string]bool{
	"errors.New":          true,
	"fmt.Errorf":          true,
	"crc32.MakeTable":     true,
	"crc64.MakeTable":     true,
	"regexp.MustCompile":  true,
	"strings.NewReplacer": true,
	"math.Log":            true,
	"len":                 true,
	"string":              true,
	"uint64":              true,
	"reflect.TypeFor":     true,
}

// constant tells whether the value of e is made of literals, names and pure
// functions alone, so that it is a constant in all but the language's sense.
func constant(e ast.Expr) bool {
	if e == nil {
		return false
	}
	ok := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if !pure[callName(n.Fun)] {
				ok = false
			}
		case *ast.FuncLit:
			// A table of functions is one; what they do when called is not
			// part of the value.
			return false
		case *ast.UnaryExpr:
			// A pointer to a literal is a value that somebody may change.
			if n.Op == token.AND || n.Op == token.ARROW {
				ok = false
			}
		}
		return ok
	})
	// A plain name or number in a variable is there to be changed.
	switch e.(type) {
	case *ast.CompositeLit, *ast.CallExpr:
		return ok
	}
	return false
}

// callName returns the name of a called function as written.
func callName(fun ast.Expr) string {
	switch fun := fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		if x, ok := fun.X.(*ast.Ident); ok {
			return x.Name + "." + fun.Sel.Name
		}
	case *ast.IndexExpr:
		return callName(fun.X)
	}
	return ""
}

// written adds the names of the package-level variables that f may change: it
// assigns to them or to a part of them, or takes their address. Names that a
// function declares itself do not count.
func (f *File) written(names map[string]bool) {
	for _, decl := range f.Syntax.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		local := declared(fn)
		mark := func(e ast.Expr) {
			if name := root(e); name != "" && !local[name] {
				names[name] = true
			}
		}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, e := range n.Lhs {
						mark(e)
					}
				}
			case *ast.IncDecStmt:
				mark(n.X)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					mark(n.X)
				}
			}
			return true
		})
	}
}

// root returns the variable that an assignable expression is a part of.
func root(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x.Name
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		default:
			return ""
		}
	}
}

// declared returns the names that a function declares anywhere in it.
func declared(fn *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			for _, id := range n.Names {
				names[id.Name] = true
			}
		case *ast.ValueSpec:
			for _, id := range n.Names {
				names[id.Name] = true
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, e := range n.Lhs {
					names[root(e)] = true
				}
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				for _, e := range []ast.Expr{n.Key, n.Value} {
					if e != nil {
						names[root(e)] = true
					}
				}
			}
		}
		return true
	})
	return names
}
