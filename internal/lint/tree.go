package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Tree is the source of the module, and of the modules nested in it.
type Tree struct {
	// Module is the path of the module at the root.
	Module string
	// Go holds the Go files, Asm the assembly files, Text every file that
	// people read, these two kinds included. Each is in order of path.
	Go, Asm, Text []*File

	fset *token.FileSet
}

// File is one source file.
type File struct {
	Path   string // slash-separated, from the root of the tree
	Source []byte
	// Package is the import path of the file's folder. An external test
	// package has that of the package it tests.
	Package string
	// Nested tells that the file belongs to a module other than Tree.Module.
	Nested bool
	// Syntax is the parsed file, nil for all but Go files.
	Syntax *ast.File
	// Build is the build constraint in the file's text, nil if there is none.
	Build constraint.Expr
}

// IsTest tells whether the file is compiled into test binaries only.
func (f *File) IsTest() bool { return strings.HasSuffix(f.Path, "_test.go") }

// IsMain tells whether the file belongs to a command.
func (f *File) IsMain() bool { return f.Syntax != nil && f.Syntax.Name.Name == "main" }

// Dir returns the file's folder.
func (f *File) Dir() string { return path.Dir(f.Path) }

// textExtensions are the endings of files that people read.
var textExtensions = []string{".go", ".s", ".md", ".sh", ".yml", ".yaml", ".mod"}

// Load reads and parses the source below root, which holds a go.mod. It leaves
// out folders named testdata and those whose name begins with a dot or an
// underscore, as the go command does.
func Load(root fs.FS) (*Tree, error) {
	t := &Tree{fset: token.NewFileSet()}
	modules := map[string]string{} // folder of a go.mod -> module path
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			base := entry.Name()
			if name != "." && (base == "testdata" || base[0] == '.' || base[0] == '_') {
				return fs.SkipDir
			}
			if mod, err := fs.ReadFile(root, path.Join(name, "go.mod")); err == nil {
				modules[name] = modulePath(mod)
			}
			return nil
		}
		if !entry.Type().IsRegular() || !slices.Contains(textExtensions, path.Ext(name)) {
			return nil
		}
		return t.add(root, modules, name)
	})
	if err != nil {
		return nil, err
	}
	t.Module = modules["."]
	if t.Module == "" {
		return nil, fmt.Errorf("lint: no go.mod at the root of the tree")
	}
	return t, nil
}

// add reads and parses one file.
func (t *Tree) add(root fs.FS, modules map[string]string, name string) error {
	source, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	f := &File{Path: name, Source: source}
	home := path.Dir(name)
	for modules[home] == "" && home != "." {
		home = path.Dir(home)
	}
	f.Nested = home != "."
	f.Package = path.Join(modules[home], strings.TrimPrefix(strings.TrimPrefix(path.Dir(name), home), "/"))
	t.Text = append(t.Text, f)
	switch path.Ext(name) {
	case ".go":
		f.Syntax, err = parser.ParseFile(t.fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		t.Go = append(t.Go, f)
	case ".s":
		t.Asm = append(t.Asm, f)
	default:
		return nil
	}
	f.Build, err = buildConstraint(source)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// modulePath returns the path that a go.mod declares.
func modulePath(mod []byte) string {
	for line := range bytes.Lines(mod) {
		if rest, ok := bytes.CutPrefix(line, []byte("module ")); ok {
			return string(bytes.TrimSpace(rest))
		}
	}
	return ""
}

// buildConstraint returns the constraint in the lines before the code.
func buildConstraint(source []byte) (constraint.Expr, error) {
	for line := range bytes.Lines(source) {
		text := strings.TrimSpace(string(line))
		if constraint.IsGoBuild(text) {
			return constraint.Parse(text)
		}
		if text != "" && !strings.HasPrefix(text, "//") {
			break
		}
	}
	return nil, nil
}

// BuiltFor tells whether the file is compiled on the processor arch with the
// given build tags. The operating system is taken to be linux.
func (f *File) BuiltFor(arch string, tags ...string) bool {
	parts := strings.Split(strings.TrimSuffix(path.Base(f.Path), path.Ext(f.Path)), "_")
	if last := parts[len(parts)-1]; len(parts) > 1 && slices.Contains(processors, last) && last != arch {
		return false
	}
	return f.Build == nil || f.Build.Eval(func(tag string) bool {
		return tag == arch || tag == "linux" || tag == "unix" || tag == "gc" ||
			strings.HasPrefix(tag, "go1.") || slices.Contains(tags, tag)
	})
}

// processors are the names that end a file's name to restrict it to one.
var processors = []string{
	"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle",
	"ppc64", "ppc64le", "riscv64", "s390x", "wasm",
}

// at returns a problem at a position of the syntax.
func (t *Tree) at(pos token.Pos, format string, args ...any) Problem {
	p := t.fset.Position(pos)
	return Problem{Path: p.Filename, Line: p.Line, Message: fmt.Sprintf(format, args...)}
}

// imports returns what f imports: path by the name that the file uses for it.
// Imports for their side effect have the name "_".
func (f *File) imports() map[string]string {
	byName := map[string]string{}
	for _, spec := range f.Syntax.Imports {
		full := importPath(spec)
		name := path.Base(full)
		if isMajorVersion(name) {
			name = path.Base(path.Dir(full))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		byName[name] = full
	}
	return byName
}

// isMajorVersion tells whether an element of an import path is one like v2.
func isMajorVersion(element string) bool {
	if len(element) < 2 || element[0] != 'v' {
		return false
	}
	_, err := strconv.Atoi(element[1:])
	return err == nil
}

// importPath returns the path of an import without its quotes.
func importPath(spec *ast.ImportSpec) string {
	full, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value
	}
	return full
}

// under tells whether the slash-separated name is dir or lies below it.
func under(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, dir+"/")
}

// functions returns the functions and methods that the file declares.
func (f *File) functions() []*ast.FuncDecl {
	var list []*ast.FuncDecl
	for _, decl := range f.Syntax.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok {
			list = append(list, fn)
		}
	}
	return list
}
