package lint

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

const testModule = "example.org/m"

// plant returns a tree of the given files: content by path.
func plant(t *testing.T, files map[string]string) *Tree {
	t.Helper()
	root := fstest.MapFS{"go.mod": {Data: []byte("module " + testModule + "\n\ngo 1.26.0\n")}}
	for name, content := range files {
		root[name] = &fstest.MapFile{Data: []byte(content)}
	}
	tree, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// lines joins the lines of a planted file.
func lines(l ...string) string { return strings.Join(l, "\n") + "\n" }

// TestRules plants violations, and code that is just within the rule.
func TestRules(t *testing.T) {
	type planted struct {
		rule  string
		name  string
		files map[string]string
		want  []string // "path:line: ", then a part of the message
	}
	clock := lines("package p", `import "time"`, "func f() {", "\ttime.Sleep(time.Second)", "}")
	body := func(n int) string { return strings.Repeat("\tf()\n", n) }
	tests := []planted{
		{"codelines", "within the bound", map[string]string{
			"quorum/raft/a.go":      "// Package raft is short.\npackage raft\n\n/* not\n\ncode */\nfunc f() {\n" + body(897) + "\n\t// nothing\n}\n",
			"quorum/raft/a_test.go": "package raft\n\nfunc g() {\n" + body(2000) + "}\n",
		}, nil},
		{"codelines", "one line too many, in a folder below", map[string]string{
			"quorum/raft/a.go":     "package raft\n\nfunc f() {\n" + body(894) + "}\n",
			"quorum/raft/sub/b.go": "package sub\n\nvar x = `\n\n`\n", // a text has the lines that it has
		}, []string{"quorum/raft: 901 lines of code, more than 900"}},
		{"codelines", "two statements on a line", map[string]string{
			"quorum/copilot/a.go": "package copilot\n\nfunc f() {\n" + body(996) + "\tf(); f()\n}\n",
		}, []string{"quorum/copilot: 1001 lines of code, more than 1000"}},
		{"codelines", "code elsewhere, and in width", map[string]string{
			"quorum/raft/a.go":      "package raft\n\nimport _ \"example.org/m/quorum/helper\"\n\nvar x = \"" + strings.Repeat("x", 140) + "\"\n",
			"quorum/raft/a_test.go": "package raft\n\nimport _ \"example.org/m/quorum/helper\"\n",
			"quorum/helper/a.go":    "package helper\n",
		}, []string{"quorum/raft/a.go:3: quorum/raft counts its lines of code, and not those of quorum/helper", "quorum/raft/a.go:5: 150 columns"}},
		{"layers", "upwards", map[string]string{
			"internal/index/a.go": lines("package index", `import _ "example.org/m/internal/occ"`),
			"internal/occ/a.go":   lines("package occ"),
		}, []string{"internal/index/a.go:2: internal/index must not import internal/occ"}},
		{"layers", "upwards to the root package, from a test", map[string]string{
			"a.go":                    lines("package m"),
			"internal/occ/a_test.go":  lines("package occ_test", `import _ "example.org/m"`),
			"cmd/godwit/main.go":      lines("package main", `import _ "example.org/m"`),
			"cmd/godwit/main_test.go": lines("package main", `import _ "example.org/m/internal/occ"`),
		}, []string{"internal/occ/a_test.go:2: internal/occ must not import ."}},
		{"layers", "sideways", map[string]string{
			"internal/cpu/a.go": lines("package cpu", `import _ "example.org/m/internal/hlc"`),
			"internal/hlc/a.go": lines("package hlc"),
		}, []string{"internal/cpu/a.go:2: internal/cpu must not import internal/hlc"}},
		{"layers", "within a folder", map[string]string{
			"internal/env/a.go":           lines("package env"),
			"internal/env/faultfs/a.go":   lines("package faultfs", `import _ "example.org/m/internal/env"`),
			"internal/wal/a_test.go":      lines("package wal", `import _ "example.org/m/internal/env/faultfs"`),
			"internal/arena/arena.go":     lines("package arena", `import _ "example.org/m/internal/cpu"`),
			"internal/epoch/epoch.go":     lines("package epoch", `import _ "example.org/m/internal/arena"`),
			"internal/arena/wrong.go":     lines("package arena", `import _ "example.org/m/internal/env/faultfs"`),
			"internal/arena/strange.go":   lines("package arena", `import _ "example.org/more"`),
			"internal/cpu/a/b/c/deep.go":  lines("package c", `import _ "example.org/m/internal/cpu"`),
			"internal/dberr/dberr.go":     lines("package dberr"),
			"internal/checkpoint/read.go": lines("package checkpoint", `import _ "example.org/m/internal/dberr"`),
		}, []string{"internal/arena/wrong.go:2: internal/arena must not import internal/env/faultfs"}},
		{"layers", "bench sees no implementation", map[string]string{
			"bench/run/a.go":   lines("package run", `import _ "example.org/m"`, `import _ "example.org/m/bench"`),
			"bench/a.go":       lines("package bench", `import _ "example.org/m/internal/occ"`),
			"peers/go.mod":     "module example.org/m/peers\n",
			"peers/a.go":       lines("package peers", `import _ "example.org/m/internal/occ"`),
			"quorum/quorum.go": lines("package quorum", `import _ "example.org/m/internal/index"`),
		}, []string{
			"bench/a.go:2: bench must not import internal/occ",
			"bench/run/a.go:2: bench/run must not import .",
			"quorum/quorum.go:2: quorum must not import internal/index",
		}},
		{"layers", "a package without a place", map[string]string{
			"internal/novel/a.go": lines("package novel"),
			"internal/novel/b.go": lines("package novel"),
		}, []string{"internal/novel/a.go:1: package internal/novel has no place"}},

		{"dependencies", "unknown, and in the wrong place", map[string]string{
			"cmd/godwit/a.go":   lines("package main", `import _ "github.com/spf13/cobra"`),
			"internal/wal/a.go": lines("package wal", `import _ "github.com/spf13/cobra"`, `import _ "example.com/leftpad"`, `import _ "net/http"`),
		}, []string{
			"internal/wal/a.go:2: github.com/spf13/cobra may not be imported in internal/wal",
			"internal/wal/a.go:3: example.com/leftpad is not among the dependencies",
		}},

		{"seams", "clock", map[string]string{
			"internal/shard/a.go":      strings.Replace(clock, "package p", "package shard", 1),
			"internal/shard/a_test.go": strings.Replace(clock, "package p", "package shard", 1),
			"internal/wal/a.go":        strings.Replace(clock, "package p", "package wal", 1),
			"internal/txn/a.go":        lines("package txn", `import clock "time"`, "var _ = clock.Now"),
		}, []string{"internal/shard/a.go:4: time.Sleep in internal/shard", "internal/txn/a.go:3: time.Now in internal/txn"}},
		{"seams", "network, randomness, disk", map[string]string{
			"quorum/a.go":          lines("package quorum", "import (", `	"math/rand/v2"`, `	"net/netip"`, `	"crypto/rand"`, ")"),
			"speculate/deep/a.go":  lines("package deep", `import "os/signal"`),
			"internal/wal/a.go":    lines("package wal", `import "os"`, `import "io/fs"`),
			"internal/server/a.go": lines("package server", `import "os"`),
			"internal/occ/a.go":    lines("package occ", `import "math/rand/v2"`),
		}, []string{
			"internal/wal/a.go:2: internal/wal must not import os",
			"quorum/a.go:3: quorum must not import math/rand/v2",
			"quorum/a.go:4: quorum must not import net/netip",
			"quorum/a.go:5: quorum must not import crypto/rand",
			"speculate/deep/a.go:2: speculate/deep must not import os/signal",
		}},

		{"exit", "os.Exit and global loggers", map[string]string{
			"a.go":               lines("package m", `import ("os"; "log"; "log/slog")`, "func f() {", "\tos.Exit(1)", "\tlog.Fatal()", "\tslog.Info(\"\")", "\t_ = slog.New", "}"),
			"cmd/godwit/main.go": lines("package main", `import "os"`, "func main() { os.Exit(0) }"),
			"e2e/a_test.go":      lines("package e2e", `import "os"`, "func f() { os.Exit(0) }"),
		}, []string{"a.go:4: os.Exit outside", "a.go:5: log.Fatal uses", "a.go:6: slog.Info uses"}},

		{"init", "init", map[string]string{
			"a.go":      lines("package m", "func init() {}", "type T int", "func (T) init() {}"),
			"a_test.go": lines("package m", "func init() {}"),
		}, []string{"a.go:2: init runs", "a_test.go:2: init runs"}},

		{"globals", "variables", map[string]string{
			"a.go": lines("package m",
				`import ("errors"; "hash/crc32"; "io"; "sync"; "example.org/m/internal/dberr"; "os")`,
				`var ErrA = errors.New("a")`,
				"var ErrB = dberr.ErrB",
				"var table = crc32.MakeTable(crc32.Castagnoli)",
				"var list = [...]string{\"a\", \"b\"}",
				"var _ io.Reader = (*os.File)(nil)",
				"var counter int",
				"var level = 3",
				"var pool sync.Pool",
				"var cache = map[string]int{}",
				"var made = make([]int, 3)",
				"var shared = &list",
				"var out = os.Stdout",
				"func f() { cache[\"a\"] = 1; local := 0; local = 1; _ = local }",
				"func g() { list := []string{}; list[0] = \"\" }"),
			"a_test.go": lines("package m", "var counter int"),
		}, []string{
			"a.go:8: counter is a package-level variable",
			"a.go:9: level is a package-level variable",
			"a.go:10: pool is a package-level variable",
			"a.go:11: cache is a package-level table that is written",
			"a.go:12: made is a package-level variable",
			"a.go:13: shared is a package-level variable",
			"a.go:14: out is a package-level variable",
		}},
		{"globals", "embedded files", map[string]string{
			"a.go": lines("package m", `import _ "embed"`, "//go:embed a.txt", "var text string", "// go:embed b.txt", "var other string"),
		}, []string{"a.go:6: other is a package-level variable"}},
		{"globals", "written in another file", map[string]string{
			"a.go": lines("package m", "var sizes = [3]int{1, 2, 3}"),
			"b.go": lines("package m", "func f() { sizes[1]++ }"),
		}, []string{"a.go:2: sizes is a package-level table that is written"}},

		{"packagedoc", "missing, wrong, in a test", map[string]string{
			"a/a.go":      lines("package a"),
			"a/a_test.go": lines("package a_test"),
			"b/b.go":      lines("// Something b.", "package b"),
			"c/c.go":      lines("// Package c is documented.", "package c"),
			"c/d.go":      lines("package c"),
			"d/main.go":   lines("// Command d does it.", "package main"),
			"e/e_test.go": lines("// Package e is tests alone.", "package e_test"),
		}, []string{"a/a.go:1: package a has no comment", "b/b.go:2: package b has no comment"}},

		{"sleep", "sleeps", map[string]string{
			"a.go":      clock,
			"a_test.go": clock,
			"b_test.go": lines("package p", `import "time"`, "func g(c chan int) {", "\t<-time.After(1)", "\tselect {", "\tcase <-time.After(1):", "\tcase <-c:", "\t}", "}"),
		}, []string{"a_test.go:4: time.Sleep in a test", "b_test.go:4: <-time.After in a test is a sleep"}},

		{"skip", "skips", map[string]string{
			"a_test.go": lines("package p", `import "testing"`,
				"func TestA(t *testing.T) {", "\tif testing.Short() {", "\t\tt.Skip()", "\t}", "}",
				"func TestB(t *testing.T) {", "\tt.Skipf(\"\")", "}",
				"func TestC(t *testing.T) {", "\tif !testing.Short() {", "\t\tt.SkipNow()", "\t}", "}"),
			"a.go": lines("package p", "func f(r interface{ Skip(int) }) { r.Skip(1) }"),
		}, []string{"a_test.go:9: TestB skips", "a_test.go:13: TestC skips"}},

		{"markers", "words", map[string]string{
			"a.go":     lines("package p", "// TO"+"DO: later"),
			"a.md":     lines("# a", "", "FIX"+"ME"),
			"a.s":      lines("// XX" + "X"),
			"b.md":     lines("MASTODON, XX" + "XX, todo"),
			".x/a.md":  lines("TO" + "DO"),
			"data.csv": lines("TO" + "DO"),
		}, []string{"a.go:2: TO" + "DO", "a.md:3: FIX" + "ME", "a.s:1: XX" + "X"}},

		{"length", "lines", map[string]string{
			"long.go":      "package p\n" + strings.Repeat("\n", linesMax),
			"just.go":      "package p\n" + strings.Repeat("\n", linesMax-1),
			"generated.go": "// Code generated by hand. DO NOT EDIT.\n\npackage p\n" + strings.Repeat("\n", linesMax),
		}, []string{"long.go: 901 lines"}},

		{"twins", "all there", map[string]string{
			"a_amd64.s": lines("//go:build !purego", "TEXT ·Fast(SB), NOSPLIT, $0", "RET", "TEXT ·helper<>(SB), NOSPLIT, $0"),
			"asm.go":    lines("//go:build amd64 && !purego", "", "package p", "func Fast()"),
			"twin.go":   lines("//go:build !amd64 || purego", "", "package p", "func Fast() {}"),
		}, nil},
		{"twins", "no twin", map[string]string{
			"a_arm64.s":    lines("//go:build !purego", "TEXT ·Fast(SB), NOSPLIT, $0"),
			"asm_arm64.go": lines("package p", "func Fast()"),
			"a_test.go":    lines("package p", "func Fast() {}"),
		}, []string{"a_arm64.s:2: Fast has no twin in Go on processors without assembly", "a_arm64.s:2: Fast has no twin in Go with the tag purego"}},
		{"twins", "tag forgotten", map[string]string{
			"a_amd64.s":      lines("TEXT ·Fast(SB), NOSPLIT, $0"),
			"b.s":            lines("//go:build amd64"),
			"asm_amd64.go":   lines("package p", "func Fast()"),
			"twin.go":        lines("//go:build !amd64", "", "package p", "func Fast() {}"),
			"method_test.go": lines("package p"),
			"method.go":      lines("package p", "type T int", "func (T) Fast() {}"),
		}, []string{"a_amd64.s: built with the tag purego too", "a_amd64.s:1: Fast has no twin in Go with the tag purego", "b.s: the file's name does not end in the processor"}},
	}
	covered := map[string]bool{}
	for _, test := range tests {
		covered[test.rule] = true
		t.Run(test.rule+"/"+test.name, func(t *testing.T) {
			got := ruleNamed(t, test.rule).Check(plant(t, test.files))
			left := map[string]bool{}
			for _, p := range got {
				left[p.String()] = true
			}
			for _, want := range test.want {
				found := false
				for p := range maps.Clone(left) {
					if strings.HasPrefix(p, want) {
						delete(left, p)
						found = true
					}
				}
				if !found {
					t.Errorf("not found: %s", want)
				}
			}
			for p := range left {
				t.Errorf("found what is not there: %s", p)
			}
		})
	}
	for _, rule := range Rules() {
		if !covered[rule.Name] {
			t.Errorf("no test plants a violation of the rule %s", rule.Name)
		}
		if rule.Why == "" {
			t.Errorf("the rule %s does not say why", rule.Name)
		}
	}
}

// ruleNamed returns the rule with that name.
func ruleNamed(t *testing.T, name string) Rule {
	t.Helper()
	for _, r := range Rules() {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("there is no rule %s", name)
	return Rule{}
}

func TestExcuse(t *testing.T) {
	problems := []Problem{
		{Path: "a.go", Line: 1, Symbol: "x", Message: "m"},
		{Path: "a.go", Line: 2, Symbol: "y", Message: "m"},
		{Path: "b.go", Line: 3, Message: "m"},
	}
	planted := []exception{
		{"r", "a.go", "x", "because"},
		{"r", "c.go", "", "no longer true"},
		{"other", "b.go", "", "of another rule"},
	}
	got := fmt.Sprint(excuse(planted, "r", problems))
	want := "[a.go:2: m b.go:3: m c.go: has an exception that it no longer needs]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestExceptionsAreNamedAndReasoned(t *testing.T) {
	for _, e := range exceptions {
		ruleNamed(t, e.rule)
		if e.why == "" {
			t.Errorf("the exception of %s from %s has no reason", e.path, e.rule)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, root := range map[string]fstest.MapFS{
		"no module":    {"a.go": {Data: []byte("package a\n")}},
		"syntax error": {"go.mod": {Data: []byte("module m\n")}, "a.go": {Data: []byte("pakcage a\n")}},
		"constraint":   {"go.mod": {Data: []byte("module m\n")}, "a_amd64.s": {Data: []byte("//go:build (\n")}},
	} {
		if _, err := Load(root); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}

func TestBuiltFor(t *testing.T) {
	tree := plant(t, map[string]string{
		"a.go":             "package m\n",
		"b_arm64.go":       "package m\n",
		"c.go":             "//go:build amd64 && !purego\n\npackage m\n",
		"d_linux.go":       "package m\n",
		"e_linux_amd64.go": "// Text.\n\n//go:build race\n\npackage m\n",
	})
	got := ""
	for _, f := range tree.Go {
		got += fmt.Sprintf("%s %v %v %v %v\n", f.Path, f.BuiltFor("amd64"), f.BuiltFor("amd64", "purego"), f.BuiltFor("arm64"), f.BuiltFor("amd64", "race"))
	}
	want := lines(
		"a.go true true true true",
		"b_arm64.go false false true false",
		"c.go true false false true",
		"d_linux.go true true true true",
		"e_linux_amd64.go false false false true")
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
