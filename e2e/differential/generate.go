package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// generator makes random commands from templates.
type generator struct {
	*rand.Rand
	templates []string
	arguments map[string][]string // by kind
}

func newGenerator(seed uint64) generator {
	return generator{rand.New(rand.NewPCG(seed, 0)), templates(), arguments()} //nolint:gosec // no secret
}

// command returns a command that is the same on any server with the same data.
func (g *generator) command() []string {
	args := g.expand(pick(g.Rand, g.templates))
	if g.IntN(12) == 0 && !waits(args) && args[0] != "COMMAND" {
		args = g.damage(args)
	}
	return args
}

// waits tells whether a command may wait, if its timeout says so. It is not damaged.
func waits(args []string) bool { return args[0][0] == 'B' }

// damage changes one argument, or their number.
func (g *generator) damage(args []string) []string {
	i, other := g.IntN(len(args)), pick(g.Rand, damages())
	switch {
	case i == 0:
		return append(args, other)
	case g.IntN(3) == 0:
		return slices.Delete(args, i, i+1)
	case g.IntN(2) == 0:
		return slices.Insert(args, i, other)
	}
	args[i] = other
	return args
}

// damages returns arguments in the place of others. None of them makes a key expire soon.
func damages() []string {
	return []string{"", "abc", "-1", "0", "1000000", "nan", "9223372036854775808", "*", "LIMIT", "WITHSCORES", "s0", "l0", "h0", "t0", "z0"}
}

// expand makes a command of a template, which has words apart by spaces:
//
//	WORD        itself
//	<kind>      an argument of a kind
//	{a b|c|}    one of several sequences
//	*(a b)      a sequence 0 to 3 times
//	+(a b)      1 to 3 times
func (g *generator) expand(template string) []string {
	args, rest := g.sequence(strings.Fields(spaced(template)), nil)
	if len(rest) > 0 {
		panic("a template with " + rest[0] + " too many: " + template)
	}
	return args
}

// spaced makes each sign of a template a field of its own.
func spaced(template string) string {
	return strings.NewReplacer("{", " { ", "}", " } ", "|", " | ", "*(", " *( ", "+(", " +( ", ")", " ) ").Replace(template)
}

// sequence expands what is before the end of a group and returns what follows.
func (g *generator) sequence(fields, args []string) (_, rest []string) {
	for len(fields) > 0 {
		switch f := fields[0]; f {
		case "}", "|", ")":
			return args, fields
		case "{":
			args, fields = g.choice(fields[1:], args)
		case "*(", "+(":
			n := g.IntN(4)
			if f == "+(" {
				n = 1 + g.IntN(3)
			}
			var rest []string
			for range n {
				args, _ = g.sequence(fields[1:], args)
			}
			_, rest = g.sequence(fields[1:], nil)
			fields = rest[1:]
		default:
			args, fields = append(args, g.argument(f)), fields[1:]
		}
	}
	return args, nil
}

// choice expands one of the sequences up to the end of a group.
func (g *generator) choice(fields, args []string) (_, rest []string) {
	n := 0
	chosen := args
	for {
		expanded, rest := g.sequence(fields, slices.Clone(args))
		if n++; g.IntN(n) == 0 {
			chosen = expanded
		}
		fields = rest[1:]
		if rest[0] == "}" {
			return chosen, fields
		}
	}
}

// argument makes an argument of a template's field.
func (g *generator) argument(field string) string {
	if !strings.HasPrefix(field, "<") {
		return field
	}
	kind := strings.Trim(field, "<>")
	switch kind {
	case "s", "l", "h", "t", "z", "y", "q": // members of y have the same score, without which their order by name says nothing; q is only lists
		switch g.IntN(25) {
		case 0:
			if kind != "q" {
				kind = pick(g.Rand, []string{"s", "l", "h", "t"})
			}
		case 1:
			return "missing" + kind // nearly always
		}
		return fmt.Sprint(kind, g.IntN(4))
	case "key":
		return g.argument(pick(g.Rand, []string{"<s>", "<l>", "<h>", "<t>", "<z>"}))
	case "member":
		return pick(g.Rand, []string{"", "1", "-7", "a", "b", "c", "d", "e\x00\xff", "10", "12", "3.5"})
	case "value":
		return g.value()
	}
	values, ok := g.arguments[kind]
	if !ok {
		panic("there are no arguments of the kind " + kind)
	}
	return pick(g.Rand, values)
}

// value makes a string, in a few cases a long one.
func (g *generator) value() string {
	switch g.IntN(30) {
	case 0:
		return strings.Repeat("0123456789abcdef", g.IntN(3000))
	case 1:
		return strings.Repeat("x", g.IntN(100))
	}
	return pick(g.Rand, []string{"", "0", "5", "-12", "3.5", "foo", "bar", "mytext", "\x00\xff", "9223372036854775807", "1e3", "0x10", " 1", "inf", "a b"})
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }
