package server

import (
	"runtime"
	"testing"
	"time"
)

// held waits until so many connections of a server are held back.
func held(s *Server, want int) {
	for n := -1; n != want; runtime.Gosched() {
		n = 0
		for _, c := range s.connections() {
			if c.held.Load() {
				n++
			}
		}
	}
}

func TestPauseOfWrites(t *testing.T) {
	s, addr := startServer(t, nil)
	c := dial(t, addr)
	c.expect("SET k v", "OK")
	queued := dial(t, addr)
	queued.expect("MULTI", "OK")
	queued.expect("SET k x", "QUEUED")
	c.expect("CLIENT PAUSE 1000000 WRITE", "OK")
	queued.send("EXEC")
	write, script, publish := dial(t, addr), dial(t, addr), dial(t, addr)
	write.send("SET", "k", "w")
	script.send("EVAL", "return 1", "0")
	publish.send("PUBLISH", "ch", "m")
	held(s, 4)
	c.expect("CLIENT PAUSE 1 WRITE", "OK") // the longer one counts
	c.expect("GET k", `"v"`)
	c.expect("EVAL_RO return{1} 0", "[1]")
	c.send("EVAL", "#!lua flags=no-writes\nreturn 2", "0")
	c.gets("2")
	c.expect("SET k", "!ERR wrong number of arguments for 'set' command")
	c.expect("MULTI", "OK")
	c.expect("GET k", "QUEUED")
	c.expect("EXEC", `["v"]`)
	gone := dial(t, addr)
	gone.send("DEL", "k")
	held(s, 5)
	_ = gone.conn.Close()
	held(s, 4)
	c.expect("CLIENT UNPAUSE", "OK")
	queued.gets("[OK]")
	write.gets("OK")
	script.gets("1")
	publish.gets("0")
	c.expect("EXISTS k", "1") // whoever has gone has changed nothing
}

func TestPauseOfAll(t *testing.T) {
	const pause = 200 * time.Millisecond
	addr := newTestServer(t, nil)
	c, other := dial(t, addr), dial(t, addr)
	began := time.Now()
	c.expect("CLIENT PAUSE 200", "OK")
	other.expect("PING", "PONG")
	if took := time.Since(began); took < pause {
		t.Errorf("a pause of %v was over after %v", pause, took)
	}
	c.expect("CLIENT PAUSE x", "!ERR timeout is not an integer or out of range")
	c.expect("CLIENT PAUSE -1", "!ERR timeout is negative")
	c.expect("CLIENT PAUSE 1 reads", "!ERR CLIENT PAUSE mode must be WRITE or ALL")
}

// Keys that expire during a pause are seen no more, and are removed and counted after it.
func TestPauseOfExpiry(t *testing.T) {
	s, addr := startServer(t, nil)
	c := dial(t, addr)
	c.expect("MULTI", "OK")
	c.expect("SET k v PX 1", "QUEUED")
	c.expect("CLIENT PAUSE 1000000 WRITE", "QUEUED")
	c.expect("EXEC", "[OK OK]")
	for c.call("EXISTS k") == "1" {
	}
	if _, err := s.maintainOnce(); err != nil {
		t.Fatal(err)
	}
	if n := s.stats.expired.Load(); n != 0 {
		t.Errorf("%d keys were removed during the pause", n)
	}
	c.expect("CLIENT UNPAUSE", "OK")
	for s.stats.expired.Load() != 1 {
		runtime.Gosched()
	}
}

// A pause of the node that leads holds back what comes from other nodes.
func TestPauseOfTheLeader(t *testing.T) {
	s := newCalmShard(t)
	lead := s.leader()
	direct, far := dial(t, lead.addr), dial(t, s.other(lead).addr)
	far.expect("SET k v", "OK")
	direct.expect("CLIENT PAUSE 1000000 WRITE", "OK")
	far.expect("GET k", `"v"`)
	far.send("SET", "k", "w")
	held(lead.server, 1)
	direct.expect("GET k", `"v"`)
	direct.expect("CLIENT UNPAUSE", "OK")
	far.gets("OK")
}

// What a pause holds back is carried out once, by the next leader, if the lead goes meanwhile.
func TestPauseOfALeaderThatGoes(t *testing.T) {
	s := newCalmShard(t)
	lead := s.leader()
	other := s.other(lead)
	direct, far := dial(t, lead.addr), dial(t, other.addr)
	far.expect("SET k 1", "OK")
	direct.expect("CLIENT PAUSE 1000000 WRITE", "OK")
	far.send("INCR", "k")
	held(lead.server, 1)
	for id := range s.nodes {
		if id != lead.id && id != other.id {
			if err := lead.db.Transfer(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	far.gets("2")
	direct.expect("CLIENT UNPAUSE", "OK")
	direct.expect("GET k", `"2"`)
	far.expect("INCR k", "3")
	far.expect("WAIT 2 0", "2")
}
