// Package shelltest runs transcripts of the shell: what was typed and what was
// printed, as a reader would see it. The same transcripts run on the shell's fake
// and on a real database.
package shelltest

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/cmd/godwit/internal/shell"
)

//go:embed testdata/*.txt
var transcripts embed.FS

// Run types each transcript into a shell on a store that open makes, and reports
// the first line that differs.
func Run(t *testing.T, open func(*testing.T) shell.Store) {
	names, err := fs.Glob(transcripts, "testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("transcripts: %v, %v", names, err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			want, err := transcripts.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			s := shell.New(open(t), &out)
			if got := replay(t.Context(), s, &out, string(want)); got != string(want) {
				t.Errorf("the transcript differs:\n%s", difference(string(want), got))
			}
			if err := s.Close(); err != nil {
				t.Logf("at the end: %v", err)
			}
		})
	}
}

// difference shows the first line in which two texts differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("line %d: got  %q\n         want %q", i+1, strings.Join(g[min(i, len(g)):min(i+3, len(g))], "\n"), w[i])
		}
	}
	return fmt.Sprintf("more lines than wanted: %q", g[len(w):])
}

// replay types the commands of a transcript into s, whose output is out, and
// returns the transcript as it comes out now. Lines with "> " are commands, with
// the name of the scope in front if there is one, lines with # comments, and
// all others what the shell printed.
func replay(ctx context.Context, s *shell.Shell, out *bytes.Buffer, transcript string) string {
	var now strings.Builder
	for line := range strings.Lines(transcript) {
		if strings.HasPrefix(line, "#") || line == "\n" {
			now.WriteString(line)
			continue
		}
		scope, command, ok := strings.Cut(line, "> ")
		if !ok || scope != "" && scope[0] != '(' {
			continue
		}
		now.WriteString(strings.TrimPrefix(s.Prompt(), "godwit") + command)
		out.Reset()
		err := s.Execute(ctx, command)
		now.Write(out.Bytes())
		if err != nil {
			now.WriteString("error: " + err.Error() + "\n")
		}
	}
	return now.String()
}
