package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Shell runs commands on a database. It serves one goroutine.
type Shell struct {
	// Format is how keys and values are printed.
	Format Format
	// Flush, if set, is called before a script's next line is waited for, so that
	// who sends a line after reading what the last one printed gets to read it.
	Flush func()

	store  Store
	out    io.Writer
	life   context.Context // of the transactions that are open
	cancel context.CancelFunc
	scopes map[string]scope
	// current names the scope in which commands run, "" for none.
	current string
}

// New returns a shell that prints to out.
func New(store Store, out io.Writer) *Shell {
	life, cancel := context.WithCancel(context.Background())
	return &Shell{store: store, out: out, life: life, cancel: cancel, scopes: map[string]scope{}}
}

// errQuit ends the shell.
var errQuit = errors.New("quit")

// Execute runs the command in a line.
func (s *Shell) Execute(ctx context.Context, line string) error {
	words, err := Parse(line)
	if err != nil || len(words) == 0 {
		return err
	}
	c, ok := find(words[0].Text)
	if !ok || !words[0].Bare {
		return fmt.Errorf("unknown command %q; help lists them", words[0].Text)
	}
	err = c.run(s, ctx, words[1:])
	if errors.Is(err, errUsage) {
		return fmt.Errorf("usage: %s", c.usage())
	}
	return err
}

// Close ends all that is open; nothing of it is applied. It returns an error if
// that was a transaction.
func (s *Shell) Close() error {
	defer s.cancel()
	var lost []string
	for _, name := range slices.Sorted(maps.Keys(s.scopes)) {
		sc := s.scopes[name]
		sc.abandon()
		if sc.writable() {
			lost = append(lost, name)
		}
	}
	clear(s.scopes)
	s.current = ""
	if lost != nil {
		return fmt.Errorf("without commit, rolled back: %s", strings.Join(lost, ", "))
	}
	return nil
}

// command is one that the shell knows.
type command struct {
	name  string
	args  string // as the help shows them
	short string
	long  string
	run   func(*Shell, context.Context, []Word) error
}

func (c command) usage() string { return strings.TrimSpace(c.name + " " + c.args) }

// errUsage is what a command returns if its arguments do not fit; the shell
// then shows what would.
var errUsage = errors.New("usage")

// commands returns all commands in the order of the help.
func commands() []command {
	return slices.Concat(dataCommands(), tableCommands(), scopeCommands(), adminCommands(), generalCommands())
}

// find returns the command with that name.
func find(name string) (command, bool) {
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return strings.EqualFold(c.name, name) })
	if i < 0 {
		return command{}, false
	}
	return all[i], true
}

func generalCommands() []command {
	return []command{
		{"format", "quoted|hex|raw", "how keys and values are printed", "quoted and hex can be read back; raw prints the bytes themselves.", (*Shell).setFormat},
		{"help", "[COMMAND]", "what there is, or more about a command", "", (*Shell).help},
		{"exit", "", "leave; open transactions are rolled back", "", func(*Shell, context.Context, []Word) error { return errQuit }},
	}
}

func (s *Shell) setFormat(_ context.Context, args []Word) error {
	if len(args) != 1 {
		return errUsage
	}
	format, err := ParseFormat(args[0].Text)
	if err == nil {
		s.Format = format
	}
	return err
}

// helpColumn is where the help's second column begins.
const helpColumn = 24

func (s *Shell) help(_ context.Context, args []Word) error {
	switch len(args) {
	case 0:
		for _, c := range commands() {
			if usage := c.usage(); len(usage) <= helpColumn {
				s.printf("  %-*s %s\n", helpColumn, usage, c.short)
			} else {
				s.printf("  %s\n  %*s %s\n", usage, helpColumn, "", c.short)
			}
		}
		s.printf("\nWords: bare, \"quoted\\n\", 'quoted', 0x00ff. A # begins a comment.\n")
		return nil
	case 1:
		c, ok := find(args[0].Text)
		if !ok {
			return fmt.Errorf("unknown command %q; help lists them", args[0].Text)
		}
		s.printf("%s\n    %s\n", c.usage(), c.short)
		if c.long != "" {
			s.printf("    %s\n", c.long)
		}
		return nil
	}
	return errUsage
}

// printf prints to the shell's output. The shell's owner finds out whether that
// can be written when it flushes it.
func (s *Shell) printf(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }
