package script

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// Flags are what a script says of itself in its first line.
type Flags uint8

const (
	NoWrites Flags = 1 << iota
	AllowOOM
	AllowStale
	NoCluster
	AllowCrossSlotKeys
)

// Program is a compiled script. It never changes and may be shared.
type Program struct {
	// SHA is the script's name: the SHA-1 of its whole source in hexadecimal.
	SHA string
	// Flags are those of the shebang line. HasShebang is false for a script
	// without one, which Redis runs in its older mode: flags say nothing then.
	Flags      Flags
	HasShebang bool
	// SourceBytes is the length of the source.
	SourceBytes int

	proto *lua.FunctionProto
}

// chunkName is what Redis calls a script in its errors.
const chunkName = "user_script"

// Compile reads a script. Its error is the reply to the client, code first.
func Compile(source []byte) (*Program, error) {
	p := &Program{SHA: SHA(source), SourceBytes: len(source)}
	body := source
	if bytes.HasPrefix(source, []byte("#!")) {
		line, _, ok := bytes.Cut(source, []byte("\n"))
		if !ok {
			return nil, errors.New("ERR Invalid script shebang")
		}
		flags, err := parseShebang(string(line))
		if err != nil {
			return nil, err
		}
		p.Flags, p.HasShebang = flags, true
		body = source[len(line):] // the end of line stays, and lines keep their numbers
	}
	proto, err := compile(string(body), chunkName)
	if err != nil {
		return nil, fmt.Errorf("ERR Error compiling script (new function): %w", err)
	}
	p.proto = proto
	return p, nil
}

// SHA is the name of a script: the SHA-1 of its source in hexadecimal.
func SHA(b []byte) string {
	sum := sha1.Sum(b)
	return hex.EncodeToString(sum[:])
}

// parseShebang reads "#!lua flags=a,b".
func parseShebang(line string) (Flags, error) {
	parts := strings.Fields(line)
	if parts[0] != "#!lua" {
		return 0, fmt.Errorf("ERR Unexpected engine in script shebang: %s", parts[0])
	}
	var flags Flags
	for _, part := range parts[1:] {
		list, ok := strings.CutPrefix(part, "flags=")
		if !ok {
			return 0, fmt.Errorf("ERR Unknown lua shebang option: %s", part)
		}
		if list == "" {
			continue
		}
		for name := range strings.SplitSeq(list, ",") {
			flag := flagNamed(name)
			if flag == 0 {
				return 0, fmt.Errorf("ERR Unexpected flag in script shebang: %s", name)
			}
			flags |= flag
		}
	}
	return flags, nil
}

func flagNamed(name string) Flags {
	switch name {
	case "no-writes":
		return NoWrites
	case "allow-oom":
		return AllowOOM
	case "allow-stale":
		return AllowStale
	case "no-cluster":
		return NoCluster
	case "allow-cross-slot-keys":
		return AllowCrossSlotKeys
	}
	return 0
}

// compile makes a function of Lua source. Its error reads as Lua's do:
// "name:line: what".
func compile(source, name string) (proto *lua.FunctionProto, err error) {
	if len(source) > sourceBytesMax {
		return nil, fmt.Errorf("%s:1: chunk is too long", name)
	}
	defer func() { // the interpreter's compiler panics on what it finds too complex
		if r := recover(); r != nil {
			proto, err = nil, fmt.Errorf("%s:1: %v", name, r)
		}
	}()
	stmts, err := parse.Parse(strings.NewReader(source), name)
	if err != nil {
		return nil, syntaxError(err, name)
	}
	if err := rewrite(stmts); err != nil {
		return nil, fmt.Errorf("%s:1: %w", name, err)
	}
	proto, err = lua.Compile(stmts, name)
	if err != nil {
		var compileErr *lua.CompileError
		if errors.As(err, &compileErr) {
			return nil, fmt.Errorf("%s:%d: %s", name, compileErr.Line, compileErr.Message)
		}
		return nil, err
	}
	// A chunk has no use for the table arg of Lua 5.0, which costs a third of a
	// short run.
	proto.IsVarArg &^= lua.VarArgNeedsArg
	return proto, nil
}

func syntaxError(err error, name string) error {
	var parseErr *parse.Error
	if !errors.As(err, &parseErr) {
		return fmt.Errorf("%s:1: %w", name, err)
	}
	what := parseErr.Message
	if what == "syntax error" || what == "parse error" {
		what = "unexpected symbol"
	}
	if parseErr.Pos.Line == parse.EOF {
		return fmt.Errorf("%s:1: %s near '<eof>'", name, what)
	}
	return fmt.Errorf("%s:%d: %s near '%s'", name, parseErr.Pos.Line, what, parseErr.Token)
}

// sourceName is the short form of a chunk's name for errors: "=name" and
// "@file" without their sign, all else as [string "first line..."].
func sourceName(chunk string) string {
	const lengthMax = 45
	if rest, ok := strings.CutPrefix(chunk, "="); ok {
		return rest
	}
	if rest, ok := strings.CutPrefix(chunk, "@"); ok {
		return rest
	}
	line, _, more := strings.Cut(chunk, "\n")
	if len(line) > lengthMax {
		line, more = line[:lengthMax], true
	}
	if more {
		line += "..."
	}
	return `[string "` + line + `"]`
}
