package lint

import (
	"go/ast"
	"slices"
	"strings"
)

// protocolPackages run unchanged under the simulator: all that is not
// determined by their inputs comes from the env that they are given.
var protocolPackages = []string{"quorum", "speculate", "internal/stream", "internal/shard", "internal/procedure", "internal/txn"}

// storagePackages reach the disk through env only, so that crashes and faults
// can be injected.
var storagePackages = []string{"internal/index", "internal/occ", "internal/wal", "internal/checkpoint"}

// clockFunctions are the functions of package time that look at or wait for the
// real clock. Its types and constants are free to use.
var clockFunctions = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// checkSeams demands that protocol and storage packages leave the real world to
// env. Their tests may use it.
func checkSeams(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.Go {
		if f.IsTest() || f.Nested {
			continue
		}
		isIn := func(dir string) bool { return under(f.Dir(), dir) }
		protocol := slices.ContainsFunc(protocolPackages, isIn)
		if !protocol && !slices.ContainsFunc(storagePackages, isIn) {
			continue
		}
		banned := []string{"os", "net", "syscall"}
		if protocol {
			banned = append(banned, "math/rand", "crypto/rand")
		}
		for _, spec := range f.Syntax.Imports {
			full := importPath(spec)
			if slices.ContainsFunc(banned, func(b string) bool { return under(full, b) }) {
				problems = append(problems, t.at(spec.Pos(), "%s must not import %s: take it from env", f.Dir(), full))
			}
		}
		if !protocol {
			continue
		}
		f.uses("time", func(n *ast.SelectorExpr) {
			if slices.Contains(clockFunctions, n.Sel.Name) {
				problems = append(problems, t.at(n.Pos(), "time.%s in %s: take the clock from env", n.Sel.Name, f.Dir()))
			}
		})
	}
	return problems
}

// uses calls visit for each selector of the package with the given import path.
func (f *File) uses(importPath string, visit func(*ast.SelectorExpr)) {
	var names []string
	for name, full := range f.imports() {
		if full == importPath {
			names = append(names, name)
		}
	}
	if names == nil {
		return
	}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(names, x.Name) {
				visit(sel)
			}
		}
		return true
	})
}

// checkExit demands that no package but a command or a test ends the process or
// writes to the global logger.
func checkExit(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.Go {
		if f.IsTest() || f.IsMain() {
			continue
		}
		f.uses("os", func(n *ast.SelectorExpr) {
			if n.Sel.Name == "Exit" {
				problems = append(problems, t.at(n.Pos(), "os.Exit outside of a command: return an error"))
			}
		})
		f.uses("log", func(n *ast.SelectorExpr) {
			problems = append(problems, t.at(n.Pos(), "log.%s uses the process's logger: take a *slog.Logger", n.Sel.Name))
		})
		f.uses("log/slog", func(n *ast.SelectorExpr) {
			switch n.Sel.Name {
			case "Default", "SetDefault", "Debug", "Info", "Warn", "Error", "DebugContext", "InfoContext", "WarnContext", "ErrorContext", "Log", "LogAttrs":
				problems = append(problems, t.at(n.Pos(), "slog.%s uses the process's logger: take a *slog.Logger", n.Sel.Name))
			}
		})
	}
	return problems
}

// checkSleep demands that tests do not sleep, under that name or as a receive
// from a timer that nothing else can end.
func checkSleep(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.Go {
		if !f.IsTest() {
			continue
		}
		f.uses("time", func(n *ast.SelectorExpr) {
			if n.Sel.Name == "Sleep" {
				problems = append(problems, t.at(n.Pos(), "time.Sleep in a test: wait for the condition itself"))
			}
		})
		alone := map[ast.Node]bool{} // statements that are a case of a select
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			if c, ok := n.(*ast.CommClause); ok && c.Comm != nil {
				alone[c.Comm] = true
			}
			stmt, ok := n.(*ast.ExprStmt)
			if !ok || alone[stmt] {
				return true
			}
			receive, ok := stmt.X.(*ast.UnaryExpr)
			if !ok {
				return true
			}
			call, ok := receive.X.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "After" && f.isPackage(sel.X, "time") {
				problems = append(problems, t.at(stmt.Pos(), "<-time.After in a test is a sleep: wait for the condition itself"))
			}
			return true
		})
	}
	return problems
}

// isPackage tells whether x names the package with the given import path.
func (f *File) isPackage(x ast.Expr, importPath string) bool {
	id, ok := x.(*ast.Ident)
	return ok && f.imports()[id.Name] == importPath
}

// checkSkip demands that tests run. One that is long asks testing.Short and
// skips in a statement of its own: if testing.Short() { t.Skip(...) }.
func checkSkip(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.Go {
		if !f.IsTest() {
			continue
		}
		for _, decl := range f.Syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			short := map[ast.Node]bool{}
			ast.Inspect(fn, func(n ast.Node) bool {
				if branch, ok := n.(*ast.IfStmt); ok && f.isShort(branch.Cond) {
					short[branch.Body] = true
				}
				if short[n] {
					return false
				}
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || !strings.HasPrefix(sel.Sel.Name, "Skip") {
					return true
				}
				if id, ok := sel.X.(*ast.Ident); ok && (id.Name == "t" || id.Name == "b" || id.Name == "f" || id.Name == "tb") {
					p := t.at(n.Pos(), "%s skips: make it run, or write the reason into the exceptions of internal/lint", fn.Name.Name)
					p.Symbol = fn.Name.Name
					problems = append(problems, p)
				}
				return true
			})
		}
	}
	return problems
}

// isShort tells whether cond is testing.Short().
func (f *File) isShort(cond ast.Expr) bool {
	call, ok := cond.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "Short" && f.isPackage(sel.X, "testing")
}
