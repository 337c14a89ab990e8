package console

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/godwitdb/godwit/internal/resp"
)

const (
	// pageKeys is how many keys a page shows, or a few more.
	pageKeys = 100
	// scanCount is how many keys a step of the search visits, scanTime how long it goes on if it finds few.
	scanCount = 500
	scanTime  = 200 * time.Millisecond
	// pageElements is how many elements of a value are shown at a time.
	pageElements = 100
	// pageBytes is how much of a string is.
	pageBytes = 16 << 10
	// lookTimeout is how long looking may take.
	lookTimeout = 10 * time.Second
)

// keyLine is a key in the list.
type keyLine struct {
	Key  string `json:"key"` // in base64: it may have any bytes
	Name string `json:"name"`
	Type string `json:"type"`
	TTL  int64  `json:"ttl"` // milliseconds; -1: it does not expire
}

// sentence is an error for the user's eyes: what the server has replied, or what is wrong with a request.
type sentence string

func (s sentence) Error() string { return string(s) }

// ask sends commands and returns their replies, none of which is an error.
func (c *client) ask(commands ...[]string) ([]resp.Value, error) {
	values, err := c.all(commands)
	for _, v := range values {
		if v.IsError() {
			return nil, sentence(printable(v.Bytes))
		}
	}
	return values, err
}

// look carries out f with a client of the session, and sends what it returns.
func (c *Console) look(w http.ResponseWriter, r *http.Request, s *session, f func(*client) (any, error)) {
	ctx, cancel := c.until(r, lookTimeout)
	defer cancel()
	conn := dial(ctx, c.source, s.user)
	defer conn.close()
	v, err := f(conn)
	var refused sentence
	switch {
	case errors.As(err, &refused):
		c.refuse(w, http.StatusUnprocessableEntity, string(refused))
	case err != nil:
		c.refuse(w, http.StatusServiceUnavailable, "The node does not answer: "+err.Error())
	default:
		c.answer(w, v)
	}
}

// keys lists keys from a cursor on: those that match a pattern, of a type.
func (c *Console) keys(w http.ResponseWriter, r *http.Request, s *session) {
	q := r.URL.Query()
	c.look(w, r, s, func(conn *client) (any, error) {
		if _, err := conn.ask([]string{"SELECT", orZero(q.Get("db"))}); err != nil {
			return nil, err
		}
		scan := []string{"SCAN", orZero(q.Get("cursor")), "COUNT", strconv.Itoa(scanCount)}
		if p := q.Get("match"); p != "" {
			scan = append(scan, "MATCH", p)
		}
		if t := q.Get("type"); t != "" {
			scan = append(scan, "TYPE", t)
		}
		found, err := search(r.Context(), conn, scan)
		if err != nil {
			return nil, err
		}
		size, err := conn.ask([]string{"DBSIZE"})
		if err != nil {
			return nil, err
		}
		lines, err := describe(conn, found)
		return map[string]any{"cursor": scan[1], "keys": lines, "size": size[0].Int}, err
	})
}

// search visits keys until there are enough for a page, all are visited, or it has taken long. It leaves the cursor in scan.
func search(ctx context.Context, conn *client, scan []string) (found []string, err error) {
	for began := time.Now(); ; {
		v, err := conn.ask(scan)
		if err != nil {
			return nil, err
		}
		if len(v[0].Elems) != 2 {
			return nil, sentence("SCAN replied with something else")
		}
		scan[1] = string(v[0].Elems[0].Bytes)
		for _, key := range v[0].Elems[1].Elems {
			found = append(found, string(key.Bytes))
		}
		if scan[1] == "0" || len(found) >= pageKeys || time.Since(began) > scanTime || ctx.Err() != nil {
			return found, ctx.Err()
		}
	}
}

// describe finds types and times of keys.
func describe(conn *client, keys []string) ([]keyLine, error) {
	lines := []keyLine{}
	if len(keys) == 0 {
		return lines, nil
	}
	var commands [][]string
	for _, key := range keys {
		commands = append(commands, []string{"TYPE", key}, []string{"PTTL", key})
	}
	values, err := conn.ask(commands...)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		kind, ttl := string(values[2*i].Bytes), values[2*i+1].Int
		if kind == "none" {
			continue // it has gone meanwhile
		}
		lines = append(lines, keyLine{base64.RawURLEncoding.EncodeToString([]byte(key)), printable([]byte(key)), kind, ttl})
	}
	return lines, nil
}

func orZero(s string) string { return cmp.Or(s, "0") }

// value is a part of a key's value.
type value struct {
	keyLine
	Encoding string     `json:"encoding"`
	Length   int64      `json:"length"` // elements, or bytes of a string
	Rows     [][]string `json:"rows"`   // of one column, or of two
	Next     string     `json:"next"`   // where the next part begins; "" behind the last
}

// key shows a part of a key's value, from a place on.
func (c *Console) key(w http.ResponseWriter, r *http.Request, s *session) {
	q := r.URL.Query()
	raw, err := base64.RawURLEncoding.DecodeString(q.Get("key"))
	if err != nil {
		c.refuse(w, http.StatusBadRequest, "The key is malformed.")
		return
	}
	c.look(w, r, s, func(conn *client) (any, error) {
		if _, err := conn.ask([]string{"SELECT", orZero(q.Get("db"))}); err != nil {
			return nil, err
		}
		lines, err := describe(conn, []string{string(raw)})
		if err != nil {
			return nil, err
		}
		if len(lines) == 0 {
			return nil, sentence("The key does not exist any more.")
		}
		v := &value{keyLine: lines[0], Rows: [][]string{}}
		return v, v.read(conn, string(raw), orZero(q.Get("from")))
	})
}

// read reads a part of the value.
func (v *value) read(conn *client, key, from string) error {
	place, err := strconv.Atoi(from)
	if err != nil || place < 0 {
		return sentence("The place in the value is malformed.")
	}
	upTo := func(n int) string { return strconv.Itoa(place + n - 1) }
	count := strconv.Itoa(pageElements)
	var length, part []string
	columns, cursor := 1, false
	switch v.Type {
	case "string":
		length, part = []string{"STRLEN", key}, []string{"GETRANGE", key, from, upTo(pageBytes)}
	case "list":
		length, part = []string{"LLEN", key}, []string{"LRANGE", key, from, upTo(pageElements)}
	case "hash":
		length, part = []string{"HLEN", key}, []string{"HSCAN", key, from, "COUNT", count}
		columns, cursor = 2, true
	case "set":
		length, part = []string{"SCARD", key}, []string{"SSCAN", key, from, "COUNT", count}
		cursor = true
	case "zset":
		length, part = []string{"ZCARD", key}, []string{"ZRANGE", key, from, upTo(pageElements), "WITHSCORES"}
		columns = 2
	default:
		return nil
	}
	values, err := conn.ask([]string{"OBJECT", "ENCODING", key}, length, part)
	if err != nil {
		return err
	}
	v.Encoding, v.Length = string(values[0].Bytes), values[1].Int
	elements := values[2].Elems
	step := pageElements
	if v.Type == "string" {
		elements, step = values[2:], pageBytes
	}
	if cursor && len(elements) == 2 {
		if next := string(elements[0].Bytes); next != "0" {
			v.Next = next
		}
		elements = elements[1].Elems
	} else if place+step < int(v.Length) {
		v.Next = strconv.Itoa(place + step)
	}
	for i := 0; i+columns <= len(elements); i += columns {
		row := make([]string, columns)
		for j := range row {
			row[j] = printable(elements[i+j].Bytes)
		}
		v.Rows = append(v.Rows, row)
	}
	return nil
}
