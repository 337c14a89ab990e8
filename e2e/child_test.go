package e2e

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/godwitdb/godwit/internal/history"
)

// configVariable holds a child's config, as JSON. A process that has it is one.
const configVariable = "GODWIT_E2E_CHILD"

var (
	killsFlag = flag.Int("kills", 30, "how often TestKill kills a process")
	soakFlag  = flag.Duration("soak", 0, "how long TestKill goes on killing, at least")
)

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(configVariable); ok {
		os.Exit(childMain(text))
	}
	os.Exit(m.Run())
}

// config is what a child is told to do.
type config struct {
	Role string // the key of roles
	Dir  string // the data folder
	Seed uint64
	Run  uint64 // distinguishes the children that work on one folder
	// Background is whether the log is synced in the background.
	Background bool
	// Expect is what has to be found in the folder, by client.
	Expect map[int]expectation
	// BackupDir is a folder for backups, if there are to be any.
	BackupDir string
	// Replica is who a replica is.
	Replica *replicaConfig
}

// message is a line from a child to its parent.
type message struct {
	Kind   kind
	Client int          `json:",omitempty"`
	Number uint64       `json:",omitempty"`
	Txn    *history.Txn `json:",omitempty"`
	Text   string       `json:",omitempty"`
}

// kind is what a message is about.
type kind string

const (
	opening   kind = "opening"   // the child is about to open the folder
	opened    kind = "opened"    // it is open
	found     kind = "found"     // Client's last transaction is Number
	ready     kind = "ready"     // everything that was expected is there
	started   kind = "started"   // Client begins transaction Number
	acked     kind = "acked"     // it was released
	began     kind = "began"     // Txn begins
	ended     kind = "ended"     // Txn ended
	copied    kind = "copied"    // a backup is in the file Text
	refused   kind = "refused"   // writes fail as they should; Text is the error
	violation kind = "violation" // Text is wrong
	closed    kind = "closed"    // the database is closed, which took all it had to do
)

// reporter sends messages to the parent.
type reporter struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func newReporter(w io.Writer) *reporter { return &reporter{enc: json.NewEncoder(w)} }

// send writes one message, in one piece. A parent that is gone ends the child.
func (r *reporter) send(m message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enc.Encode(m); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(3)
	}
}

// wrong reports a violation of what the database promises.
func (r *reporter) wrong(format string, args ...any) {
	r.send(message{Kind: violation, Text: fmt.Sprintf(format, args...)})
}

// roles are what a child can do. Its result is the exit code.
var roles = map[string]func(config, *reporter) error{
	"load":   load,
	"hold":   hold,
	"fill":   fill,
	"churn":  churn,
	"member": member,
}

// childMain runs the role that a config names.
func childMain(text string) int {
	var c config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		fmt.Fprintln(os.Stderr, "config:", err)
		return 2
	}
	role, ok := roles[c.Role]
	if !ok {
		fmt.Fprintln(os.Stderr, "no role", c.Role)
		return 2
	}
	if err := role(c, newReporter(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, c.Role+":", err)
		return 1
	}
	return 0
}

// child is a process under test.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *bufio.Reader
	errs   strings.Builder
	killed bool
}

// spawn starts a child.
func spawn(t *testing.T, c config, adapt ...func(*exec.Cmd)) *child {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &child{t: t, cmd: exec.CommandContext(t.Context(), binary)}
	p.cmd.Env = append(os.Environ(), configVariable+"="+string(text))
	p.cmd.Stderr = &p.errs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.output = bufio.NewReaderSize(out, 1<<20)
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	for _, f := range adapt {
		f(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// next returns the child's next message, false at the end. What a kill has cut
// off was not said.
func (p *child) next() (message, bool) {
	p.t.Helper()
	line, err := p.output.ReadBytes('\n')
	if err != nil {
		return message{}, false
	}
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		p.t.Fatalf("the child said %q: %v", line, err)
	}
	return m, true
}

// await returns the first message of that kind and fails the test if there is
// none.
func (p *child) await(want kind) message {
	p.t.Helper()
	for {
		m, ok := p.next()
		switch {
		case !ok:
			err := p.cmd.Wait()
			p.t.Fatalf("the child ended (%v) and did not say %s\n%s", err, want, p.errs.String())
		case m.Kind == violation:
			p.t.Errorf("violation: %s", m.Text)
		case m.Kind == want:
			return m
		}
	}
}

// kill ends the child with SIGKILL. What it has said can still be read.
func (p *child) kill() {
	p.t.Helper()
	p.killed = true
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits for the end of a child that has said everything, and fails the test
// if it ended in another way than by our kill or by itself without an error.
func (p *child) wait() {
	p.t.Helper()
	err := p.cmd.Wait()
	if p.killed {
		// It may have ended by itself just before. Windows has no signals, but a
		// code that the killer gives.
		code := p.cmd.ProcessState.ExitCode()
		if err != nil && code != -1 && (runtime.GOOS != "windows" || code != 1) {
			p.t.Fatalf("the child ended by itself: %v\n%s", err, p.errs.String())
		}
		return
	}
	if err != nil {
		p.t.Fatalf("the child failed: %v\n%s", err, p.errs.String())
	}
}
