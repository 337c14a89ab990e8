package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/godwitdb/godwit/internal/resp"
)

const (
	// runTimeout is how long commands may take, one that waits included.
	runTimeout = 5 * time.Second
	// linesMax is how many commands may be run at once.
	linesMax = 1000
)

// reply is a reply as pages get it.
type reply struct {
	Kind  string  `json:"kind"` // null, error, status, integer, number, string, list, map
	Text  string  `json:"text,omitempty"`
	Items []reply `json:"items,omitempty"` // of a map, keys and values by turns
}

func replyOf(v resp.Value) reply {
	switch {
	case v.IsNull():
		return reply{Kind: "null"}
	case v.IsError():
		return reply{Kind: "error", Text: printable(v.Bytes)}
	}
	r := reply{Kind: "string", Text: printable(v.Bytes)}
	switch v.Kind {
	case resp.KindSimple:
		r.Kind = "status"
	case resp.KindInt:
		r.Kind, r.Text = "integer", strconv.FormatInt(v.Int, 10)
	case resp.KindBool:
		r.Kind, r.Text = "status", strconv.FormatBool(v.Int == 1)
	case resp.KindDouble:
		r.Kind, r.Text = "number", string(resp.AppendDouble(nil, v.Float))
	case resp.KindArray, resp.KindSet, resp.KindPush:
		r.Kind = "list"
	case resp.KindMap:
		r.Kind = "map"
	}
	for _, e := range v.Elems {
		r.Items = append(r.Items, replyOf(e))
	}
	return r
}

// ran is a command and its reply.
type ran struct {
	Line  string `json:"line"`
	Reply reply  `json:"reply"`
}

// run runs lines of commands, as one transaction or one after the other.
func (c *Console) run(w http.ResponseWriter, r *http.Request, s *session) {
	var ask struct {
		DB          int
		Lines       string
		Transaction bool
	}
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
		c.refuse(w, http.StatusBadRequest, "The request is malformed, or too long.")
		return
	}
	lines, commands, err := parseLines(ask.Lines)
	if err != nil {
		c.refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := c.until(r, runTimeout)
	defer cancel()
	conn := dial(ctx, c.source, s.user)
	defer conn.close()
	if v, err := conn.do("SELECT", strconv.Itoa(ask.DB)); err != nil || v.IsError() {
		c.refuse(w, http.StatusBadRequest, "The database cannot be selected.")
		return
	}
	if ask.Transaction {
		commands = append(append([][]string{{"MULTI"}}, commands...), []string{"EXEC"})
	}
	began := time.Now()
	var replies []resp.Value
	if ask.Transaction {
		replies, err = conn.all(commands)
	} else {
		for _, command := range commands {
			var v resp.Value
			if v, err = conn.do(command...); err != nil {
				break
			}
			replies = append(replies, v)
		}
	}
	took := time.Since(began)
	answer := struct {
		Ran     []ran   `json:"ran"`
		Outcome string  `json:"outcome"` // of the transaction: done, nothing, or why not
		Failure string  `json:"failure,omitempty"`
		Micros  float64 `json:"micros"`
	}{Ran: []ran{}, Micros: micros(took)}
	switch {
	case tookTooLong(ctx, err):
		answer.Failure = fmt.Sprintf("No reply after %v: the connection was closed. What it waited for was not done.", runTimeout)
	case err != nil:
		answer.Failure = "The connection was closed: " + err.Error()
	}
	if ask.Transaction && err == nil {
		answer.Outcome, replies = outcome(replies)
	}
	for i, v := range replies {
		answer.Ran = append(answer.Ran, ran{lines[i], replyOf(v)})
	}
	c.answer(w, answer)
}

// outcome returns what became of a transaction, and the replies of its commands, of all that comes between MULTI and EXEC.
func outcome(replies []resp.Value) (string, []resp.Value) {
	exec := replies[len(replies)-1]
	switch {
	case exec.IsError():
		return printable(exec.Bytes), replies[1 : len(replies)-1]
	case exec.IsNull():
		return "nothing", nil
	}
	return "done", exec.Elems
}

// parseLines returns the lines that hold commands, and the commands. A line that begins with # is a comment.
func parseLines(text string) (lines []string, commands [][]string, err error) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		list, err := words(line)
		if err != nil {
			return nil, nil, sentence(fmt.Sprintf("Line %d: %v.", i+1, err))
		}
		lines, commands = append(lines, line), append(commands, list)
	}
	switch {
	case len(commands) == 0:
		return nil, nil, sentence("There is no command.")
	case len(commands) > linesMax:
		return nil, nil, sentence(fmt.Sprintf("There are more than %d commands.", linesMax))
	}
	return lines, commands, nil
}
