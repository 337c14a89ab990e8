package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Interact reads commands from the terminal in and prints to out, until exit or
// the end of input. ^C interrupts the command that runs. It closes the shell.
func (s *Shell) Interact(ctx context.Context, in, out *os.File, banner string) error {
	lines := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{killLine{in}, out}, "")
	lines.AutoCompleteCallback = s.complete
	past := openHistory(historyFile())
	defer past.close()
	lines.History = past
	fmt.Fprintln(out, banner)
	for {
		lines.SetPrompt(s.Prompt())
		line, err := readLine(lines, in)
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(out)
			break
		}
		if err != nil {
			return errors.Join(err, s.Close())
		}
		err = s.executeInterruptibly(ctx, line)
		if errors.Is(err, errQuit) {
			break
		}
		if err != nil {
			fmt.Fprintln(out, "error:", err)
		}
	}
	return s.Close()
}

// killLine turns ^C, which the line editor takes for the end of input, into the
// keys that empty the line: ^E ^U.
type killLine struct{ in io.Reader }

// Read reads at most half of what fits, so that every byte may become two.
func (k killLine) Read(p []byte) (int, error) {
	if len(p) < 2 {
		return k.in.Read(p)
	}
	typed := make([]byte, len(p)/2)
	n, err := k.in.Read(typed)
	return copy(p, bytes.ReplaceAll(typed[:n], []byte{ctrlC}, []byte{ctrlE, ctrlU})), err
}

// Control characters.
const (
	ctrlC = 'C' - '@'
	ctrlE = 'E' - '@'
	ctrlU = 'U' - '@'
)

// readLine reads a line with editing. The terminal is in raw mode only
// meanwhile, so that commands print as usual and ^C is a signal to them.
func readLine(lines *term.Terminal, in *os.File) (string, error) {
	fd := int(in.Fd())
	cooked, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	// A terminal that does not know its size, as in a container, says 0.
	if width, height, err := term.GetSize(fd); err == nil && width > 0 {
		_ = lines.SetSize(width, height) // too small a terminal keeps its default
	}
	line, err := lines.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	if restoreErr := term.Restore(fd, cooked); err == nil {
		err = restoreErr
	}
	return line, err
}

// executeInterruptibly runs one command, which ^C ends.
func (s *Shell) executeInterruptibly(ctx context.Context, line string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	err := s.Execute(ctx, line)
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	return err
}

// Prompt shows the scope that commands run in.
func (s *Shell) Prompt() string {
	if s.current == "" {
		return "godwit> "
	}
	return "godwit(" + s.current + ")> "
}

// complete completes the command or the table that the cursor is behind.
func (s *Shell) complete(line string, pos int, key rune) (string, int, bool) {
	if key != '\t' {
		return "", 0, false
	}
	begin := strings.LastIndexByte(line[:pos], ' ') + 1
	var candidates []string
	switch strings.Count(strings.TrimLeft(line[:pos], " "), " ") {
	case 0:
		for _, c := range commands() {
			candidates = append(candidates, c.name)
		}
	case 1:
		for _, t := range s.store.Tables() {
			candidates = append(candidates, t.Name)
		}
	}
	candidates = slices.DeleteFunc(candidates, func(c string) bool { return !strings.HasPrefix(c, line[begin:pos]) })
	if len(candidates) == 0 {
		return line, pos, true
	}
	word := commonPrefix(candidates)
	if len(candidates) == 1 {
		word += " "
	}
	return line[:begin] + word + line[pos:], begin + len(word), true
}

// commonPrefix returns what all words begin with, in whole runes.
func commonPrefix(words []string) string {
	prefix := words[0]
	for _, w := range words[1:] {
		for !strings.HasPrefix(w, prefix) {
			_, size := utf8.DecodeLastRuneInString(prefix)
			prefix = prefix[:len(prefix)-size]
		}
	}
	return prefix
}

// historyMax is how many lines are kept.
const historyMax = 1000

// history is the lines typed so far, the newest last, in memory and in a file.
type history struct {
	lines []string
	file  *os.File // nil if there is none
}

// historyFile returns where the lines are kept, or "" for nowhere.
func historyFile() string {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "godwit", "history")
}

// openHistory reads the lines in the file with that name, and cuts the file if it
// has many more than are kept. A shell works without a history, so errors leave
// it with what it has.
func openHistory(name string) *history {
	h := &history{}
	if name == "" || os.MkdirAll(filepath.Dir(name), 0o700) != nil {
		return h
	}
	content, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return h
	}
	read := 0
	for line := range strings.Lines(string(content)) {
		h.keep(strings.TrimSuffix(line, "\n"))
		read++
	}
	if read > 2*historyMax {
		kept := strings.Join(h.lines, "\n") + "\n"
		if os.WriteFile(name, []byte(kept), 0o600) != nil {
			return h
		}
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		h.file = file
	}
	return h
}

// keep adds a line in memory.
func (h *history) keep(line string) {
	h.lines = append(h.lines, line)
	if len(h.lines) > historyMax {
		h.lines = slices.Delete(h.lines, 0, len(h.lines)-historyMax)
	}
}

// Add adds a line, unless it is empty or the last one again.
func (h *history) Add(line string) {
	if strings.TrimSpace(line) == "" || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.keep(line)
	if h.file != nil {
		fmt.Fprintln(h.file, line)
	}
}

// Len returns how many lines there are.
func (h *history) Len() int { return len(h.lines) }

// At returns a line, 0 for the newest.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }

// close closes the file. What is lost if that fails are lines of a history.
func (h *history) close() {
	if h.file != nil {
		_ = h.file.Close()
	}
}
