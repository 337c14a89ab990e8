package child

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test's binary a child that repeats its orders, if it is asked to be one.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "repeat" {
		fmt.Fprintln(os.Stderr, "here I am")
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			fmt.Println(lines.Text())
		}
		return
	}
	os.Exit(m.Run())
}

// start starts a child whose reports go to the first result, and their end to the second.
func start(t *testing.T) (p *Process, reports chan string, end chan error) {
	t.Helper()
	reports, end = make(chan string, 1), make(chan error, 1)
	p, err := Start(exec.CommandContext(t.Context(), os.Args[0], "repeat"), func(_ *Process, r string, _ time.Time, err error) {
		if err != nil {
			end <- err
			return
		}
		reports <- r
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Order("hello"); err != nil {
		t.Fatal(err)
	}
	if got := <-reports; got != "hello" {
		t.Errorf("reported was %q", got)
	}
	return p, reports, end
}

func TestKilled(t *testing.T) {
	p, _, end := start(t)
	p.Kill()
	if err := <-end; !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if err := p.Wait(); err == nil {
		t.Error("it has ended well")
	}
	if p.Said() != "here I am" {
		t.Errorf("it said %q", p.Said())
	}
	if err := p.Order("hello"); err == nil || !strings.Contains(err.Error(), "here I am") {
		t.Errorf("an order for one that has ended: %v", err)
	}
}

func TestLastLinesAreKept(t *testing.T) {
	var l lastLines
	for range 3 * lastLinesMax / 8 {
		_, _ = l.Write([]byte("1234567\n"))
	}
	if got := l.String(); len(got) > lastLinesMax || !strings.HasSuffix(got, "1234567") {
		t.Errorf("%d bytes", len(got))
	}
}
