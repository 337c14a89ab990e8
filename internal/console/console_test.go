package console

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/resp"
)

// fakeNode is a source whose connections answer PING, AUTH with its password, and otherwise what reply says.
type fakeNode struct {
	password string // "": nobody is asked for it
	epoch    atomic.Uint64
	asked    atomic.Int64 // for what the others say
	reply    func(user string, args []string, out *resp.Writer)
}

func (f *fakeNode) Figures(context.Context) Figures {
	return Figures{Node: 1, Role: "leader", Epoch: f.epoch.Load(), Leader: uint32(f.epoch.Load())} //nolint:gosec // small
}

func (f *fakeNode) Replicas() []Replica {
	f.asked.Add(1)
	return []Replica{{Node: 2, Role: "follower", Streams: 2}}
}

func (f *fakeNode) Pulse() (executed, released, inFlight uint64) { return 7, 5, 2 }

func (f *fakeNode) Connect(user string) net.Conn {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		in := resp.NewReader(far, resp.Limits{})
		for {
			raw, err := in.ReadCommand()
			if err != nil {
				return
			}
			args := make([]string, len(raw))
			for i, a := range raw {
				args[i] = string(a)
			}
			in.Release()
			out := resp.Writer{Proto: 2}
			switch {
			case args[0] == "AUTH" && args[2] == f.password:
				out.OK()
			case args[0] == "AUTH":
				out.Error("WRONGPASS invalid username-password pair or user is disabled.")
			case user == "" && f.password != "":
				out.Error("NOAUTH Authentication required.")
			case f.reply != nil:
				f.reply(user, args, &out)
			default:
				out.OK()
			}
			if _, err := far.Write(out.Bytes()); err != nil {
				return
			}
		}
	}()
	return near
}

// start serves a console of a node on loopback.
func start(t *testing.T, node *fakeNode) *httptest.Server {
	t.Helper()
	c := New(node, Options{})
	s := httptest.NewServer(c)
	t.Cleanup(func() {
		c.Close()
		s.Close()
	})
	return s
}

// answer is an answer over HTTP.
type answer struct {
	status  int
	header  http.Header
	cookies []*http.Cookie
	text    string
}

// ask sends a request. change may be nil.
func ask(t *testing.T, method, url, body string, change func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{got.StatusCode, got.Header, got.Cookies(), string(text)}
}

// Nothing in the page refers to another place.
func TestAssetsAreLocal(t *testing.T) {
	elsewhere := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9]|@import|url\(`)
	namespace := []byte("http://www.w3.org/2000/svg") // the name of SVG, which nobody asks for
	var n int
	err := fs.WalkDir(assets, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		text, err := assets.ReadFile(path)
		if found := elsewhere.Find(bytes.ReplaceAll(text, namespace, nil)); found != nil {
			t.Errorf("%s refers to another place: %s", path, found)
		}
		return err
	})
	if err != nil || n < 5 {
		t.Errorf("%d files, %v", n, err)
	}
}

func TestPolicy(t *testing.T) {
	s := start(t, &fakeNode{})
	for _, path := range []string{"/", "/style.css", "/js/main.js", "/missing", "/api/session"} {
		got := ask(t, "GET", s.URL+path, "", nil)
		if p := got.header.Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none';") || strings.Contains(p, "unsafe") || strings.Contains(p, "*") {
			t.Errorf("%s: the policy is %q", path, p)
		}
		if got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: types are guessed", path)
		}
	}
	got := ask(t, "GET", s.URL, "", nil)
	if got.status != http.StatusOK || !strings.Contains(got.text, "<title>Godwit</title>") {
		t.Errorf("the page is %d %q", got.status, got.text)
	}
	for _, inline := range []string{"<style", " style=", " onclick="} {
		if strings.Contains(got.text, inline) {
			t.Errorf("the page has %q, which its policy forbids", inline)
		}
	}
}

// A page of another site can neither act nor read, whatever name it has given to this machine.
func TestOtherSites(t *testing.T) {
	s := start(t, &fakeNode{})
	got := ask(t, "POST", s.URL+"/api/run", `{"Lines":"PING"}`, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	if got.status != http.StatusForbidden {
		t.Errorf("a request of another site: %d", got.status)
	}
	for _, host := range []string{"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:1"} {
		for _, path := range []string{"/api/session", "/api/live", "/api/keys"} {
			if got := ask(t, "GET", s.URL+path, "", func(r *http.Request) { r.Host = host }); got.status != http.StatusForbidden {
				t.Errorf("%s of %s: %d", path, host, got.status)
			}
		}
	}
	for _, host := range []string{"localhost:1", "127.0.0.1", "[::1]:8080"} {
		if got := ask(t, "GET", s.URL+"/api/session", "", func(r *http.Request) { r.Host = host }); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", host, got.status, got.text)
		}
	}
}

// Without a password, only this machine is answered.
func TestOpenOnLoopbackOnly(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "http://10.0.0.7/api/session", nil)
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 80}))
	for open, want := range map[bool]int{false: http.StatusForbidden, true: http.StatusOK} {
		c := New(&fakeNode{}, Options{Open: open})
		defer c.Close()
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("open %v: %d %s", open, w.Code, w.Body)
		}
	}
}

// What is beside the console lets in the same people, and those who say with each request who they are, as often as they like.
func TestGuarded(t *testing.T) {
	c := New(&fakeNode{password: "secret"}, Options{})
	defer c.Close()
	s := httptest.NewServer(c.Guarded(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "shown") })))
	defer s.Close()
	if got := ask(t, "GET", s.URL, "", nil); got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" {
		t.Errorf("without a login: %d %v", got.status, got.header)
	}
	for range 3 * triesMax {
		got := ask(t, "GET", s.URL, "", func(r *http.Request) { r.SetBasicAuth("ada", "secret") })
		if got.status != http.StatusOK || got.text != "shown" {
			t.Fatalf("with a password: %d %s", got.status, got.text)
		}
	}
	if got := ask(t, "GET", s.URL, "", func(r *http.Request) { r.SetBasicAuth("ada", "wrong") }); got.status != http.StatusUnauthorized {
		t.Errorf("with a wrong password: %d", got.status)
	}
	token := c.sessions.begin("ada", time.Now())
	if got := ask(t, "GET", s.URL, "", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookieName, Value: token}) }); got.status != http.StatusOK {
		t.Errorf("after a login: %d", got.status)
	}
}

func TestLogin(t *testing.T) {
	var users []string
	s := start(t, &fakeNode{password: "secret", reply: func(user string, args []string, out *resp.Writer) {
		users = append(users, user)
		out.OK()
	}})
	for _, path := range []string{"/api/session", "/api/live", "/api/keys", "/api/key?key=YQ"} {
		if got := ask(t, "GET", s.URL+path, "", nil); got.status != http.StatusUnauthorized {
			t.Errorf("%s without a login: %d", path, got.status)
		}
	}
	if got := ask(t, "POST", s.URL+"/api/run", `{"Lines":"GET a"}`, nil); got.status != http.StatusUnauthorized {
		t.Errorf("run without a login: %d", got.status)
	}
	if got := ask(t, "POST", s.URL+"/api/login", `{"user":"ada","password":"wrong"}`, nil); got.status != http.StatusUnauthorized || len(got.cookies) != 0 {
		t.Errorf("a wrong password: %d", got.status)
	}
	got := ask(t, "POST", s.URL+"/api/login", `{"user":"ada","password":"secret"}`, nil)
	if got.status != http.StatusOK || len(got.cookies) != 1 {
		t.Fatalf("login: %d, %v", got.status, got.cookies)
	}
	cookie := got.cookies[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode {
		t.Errorf("scripts, or other sites, can use the cookie: %v", cookie)
	}
	as := func(r *http.Request) { r.AddCookie(cookie) }
	if got := ask(t, "POST", s.URL+"/api/run", `{"Lines":"GET a"}`, as); got.status != http.StatusOK {
		t.Errorf("run: %d %s", got.status, got.text)
	}
	if !slices.Equal(slices.Compact(users), []string{"ada"}) {
		t.Errorf("commands ran as %q", users)
	}
	ask(t, "POST", s.URL+"/api/logout", "", as)
	if got := ask(t, "GET", s.URL+"/api/session", "", as); got.status != http.StatusUnauthorized {
		t.Errorf("after the logout: %d", got.status)
	}
}

func TestPasswordsCannotBeGuessedFast(t *testing.T) {
	s := start(t, &fakeNode{password: "secret"})
	var refused int
	for range 3 * triesMax {
		got := ask(t, "POST", s.URL+"/api/login", `{"password":"wrong"}`, nil)
		if got.status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Errorf("%d wrong passwords could be tried at once", 3*triesMax)
	}
}

// A server that refuses the console's connection may want a password: nothing is shown.
func TestRefusedConnection(t *testing.T) {
	s := start(t, &fakeNode{reply: func(_ string, _ []string, out *resp.Writer) { out.Error("ERR max number of clients reached") }})
	if got := ask(t, "GET", s.URL+"/api/session", "", nil); got.status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", got.status, got.text)
	}
}

// nextEvent returns the next event of a stream with a name.
func nextEvent(t *testing.T, in *bufio.Scanner, name string) (data string) {
	t.Helper()
	for in.Scan() {
		if in.Text() == "event: "+name && in.Scan() {
			return strings.TrimPrefix(in.Text(), "data: ")
		}
	}
	t.Fatalf("the stream ended before event %s: %v", name, in.Err())
	return ""
}

func TestLive(t *testing.T) {
	node := &fakeNode{}
	node.epoch.Store(2)
	s := start(t, node)
	if node.asked.Load() != 0 {
		t.Error("the other nodes are asked though nobody looks")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if kind := answer.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("the stream is %s", kind)
	}
	in := bufio.NewScanner(answer.Body)
	in.Buffer(nil, 1<<20)
	nextEvent(t, in, "history")
	if got := nextEvent(t, in, "pulse"); !strings.Contains(got, `"executed":7,"released":5,"inFlight":2`) {
		t.Errorf("pulse is %s", got)
	}
	node.epoch.Store(3)
	for {
		var got sample
		if err := json.Unmarshal([]byte(nextEvent(t, in, "sample")), &got); err != nil {
			t.Fatal(err)
		}
		if got.Event != nil && got.Event.Epoch == 3 && got.Event.Leader == 3 {
			if len(got.Node.Replicas) != 1 || got.Node.Replicas[0].Streams != 2 {
				t.Errorf("of the other nodes is told %+v", got.Node.Replicas)
			}
			break // a failover is told
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	s := newSampler(nil)
	_, _, stop := s.watch() // does not read
	defer stop()
	at := testTime
	for i := range historyMax + eventsMax + 10 {
		s.take(at, Figures{Epoch: uint64(i + 1), Leader: 1, Executed: uint64(i) * 100})
		at = at.Add(sampleEvery)
	}
	h, _, stop := s.watch()
	defer stop()
	if len(h.Points) != historyMax || len(h.Events) != eventsMax {
		t.Errorf("%d points, %d events", len(h.Points), len(h.Events))
	}
	if p := h.Points[len(h.Points)-1]; p.Executed != 100 {
		t.Errorf("%v executed a second, want 100", p.Executed)
	}
}

func TestCountsThatBeginAnew(t *testing.T) {
	s := newSampler(nil)
	s.take(testTime, Figures{Executed: 100, Conflicts: 3})
	s.take(testTime.Add(time.Second), Figures{Executed: 10})
	h, _, stop := s.watch()
	defer stop()
	if p := h.Points[0]; p.Executed != 0 || p.Conflicts != 0 {
		t.Errorf("rates are %v and %v", p.Executed, p.Conflicts)
	}
}
