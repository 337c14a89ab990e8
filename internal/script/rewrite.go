package script

import (
	"errors"
	"strconv"

	"github.com/yuin/gopher-lua/ast"
)

// The interpreter's instructions for .. and # cannot be replaced, and differ
// from Lua's: numbers concatenate in another format and results are unbounded;
// the length of a table may be no border of it. So a program's operators
// become calls of methods that every string has, whatever its environment. No
// script can name them by accident.
const (
	concatMethod = "\x00concat"
	lengthMethod = "\x00length"
)

var errSyntaxDepth = errors.New("chunk has too many syntax levels")

// tooDeep is what the walk panics with.
type tooDeep struct{}

// rewriter walks a program's syntax and replaces expressions in place.
type rewriter struct{ depth int }

// rewrite prepares a program for the interpreter's compiler, which recurses
// over what this has seen to be of bounded depth.
func rewrite(program []ast.Stmt) (err error) {
	defer func() {
		switch r := recover(); r {
		case nil:
		case tooDeep{}:
			err = errSyntaxDepth
		default:
			panic(r)
		}
	}()
	(&rewriter{}).block(program)
	return nil
}

func (r *rewriter) enter() {
	if r.depth++; r.depth > syntaxDepthMax {
		panic(tooDeep{})
	}
}

func (r *rewriter) leave() { r.depth-- }

func (r *rewriter) block(stmts []ast.Stmt) {
	r.enter()
	defer r.leave()
	for _, stmt := range stmts {
		r.statement(stmt)
	}
}

func (r *rewriter) statement(stmt ast.Stmt) {
	switch s := stmt.(type) {
	case *ast.AssignStmt:
		r.list(s.Lhs)
		r.list(s.Rhs)
	case *ast.LocalAssignStmt:
		r.list(s.Exprs)
	case *ast.FuncCallStmt:
		r.expr(&s.Expr)
	case *ast.DoBlockStmt:
		r.block(s.Stmts)
	case *ast.WhileStmt:
		r.expr(&s.Condition)
		r.block(s.Stmts)
	case *ast.RepeatStmt:
		r.expr(&s.Condition)
		r.block(s.Stmts)
	case *ast.IfStmt:
		r.expr(&s.Condition)
		r.block(s.Then)
		r.block(s.Else)
	case *ast.NumberForStmt:
		r.expr(&s.Init)
		r.expr(&s.Limit)
		r.expr(&s.Step)
		r.block(s.Stmts)
	case *ast.GenericForStmt:
		r.list(s.Exprs)
		r.block(s.Stmts)
	case *ast.FuncDefStmt:
		r.expr(&s.Name.Func)
		r.expr(&s.Name.Receiver)
		r.block(s.Func.Stmts)
	case *ast.ReturnStmt:
		r.list(s.Exprs)
	}
}

func (r *rewriter) list(exprs []ast.Expr) {
	for i := range exprs {
		r.expr(&exprs[i])
	}
}

func (r *rewriter) expr(place *ast.Expr) {
	r.enter()
	defer r.leave()
	switch e := (*place).(type) {
	case *ast.NumberExpr:
		e.Value = decimal(e.Value)
	case *ast.AttrGetExpr:
		r.expr(&e.Object)
		r.expr(&e.Key)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			r.expr(&f.Key)
			r.expr(&f.Value)
		}
	case *ast.FuncCallExpr:
		r.expr(&e.Func)
		r.expr(&e.Receiver)
		r.list(e.Args)
	case *ast.LogicalOpExpr:
		r.expr(&e.Lhs)
		r.expr(&e.Rhs)
	case *ast.RelationalOpExpr:
		r.expr(&e.Lhs)
		r.expr(&e.Rhs)
	case *ast.ArithmeticOpExpr:
		r.expr(&e.Lhs)
		r.expr(&e.Rhs)
	case *ast.UnaryMinusOpExpr:
		r.expr(&e.Expr)
	case *ast.UnaryNotOpExpr:
		r.expr(&e.Expr)
	case *ast.FunctionExpr:
		r.block(e.Stmts)
	case *ast.UnaryLenOpExpr:
		r.expr(&e.Expr)
		*place = method(lengthMethod, e, []ast.Expr{e.Expr})
	case *ast.StringConcatOpExpr:
		*place = r.concat(e)
	}
}

// concat makes one call of a chain of concatenations, which associates to the
// right. As in Lua, the registers of a function limit its length.
func (r *rewriter) concat(e *ast.StringConcatOpExpr) ast.Expr {
	operands := []ast.Expr{e.Lhs}
	rest := e.Rhs
	for {
		next, ok := rest.(*ast.StringConcatOpExpr)
		if !ok {
			break
		}
		operands = append(operands, next.Lhs)
		rest = next.Rhs
	}
	operands = append(operands, rest)
	r.list(operands)
	return method(concatMethod, e, operands)
}

// method makes a call of a string's method, at the line of an expression.
func method(name string, at ast.Expr, args []ast.Expr) ast.Expr {
	for _, arg := range args { // one value each, as operands have
		switch arg := arg.(type) {
		case *ast.FuncCallExpr:
			arg.AdjustRet = true
		case *ast.Comma3Expr:
			arg.AdjustRet = true
		}
	}
	object, key := &ast.StringExpr{}, &ast.StringExpr{Value: name}
	get := &ast.AttrGetExpr{Object: object, Key: key}
	call := &ast.FuncCallExpr{Func: get, Args: args, AdjustRet: true}
	for _, node := range []ast.Expr{object, key, get, call} {
		node.SetLine(at.Line())
		node.SetLastLine(at.LastLine())
	}
	return call
}

// decimal writes a number that the interpreter would read as octal or binary
// so that it reads it as Lua does.
func decimal(number string) string {
	if len(number) < 2 || number[0] != '0' {
		return number
	}
	f, ok := parseNumber(number)
	if !ok {
		return number
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
