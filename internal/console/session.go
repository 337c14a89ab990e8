package console

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	// cookieName is the cookie of a session.
	cookieName = "godwit-console"
	// sessionTime is how long a session lasts after its last request.
	sessionTime = 12 * time.Hour
	// sessionsMax is how many there are. The one that was idle for longest makes room.
	sessionsMax = 64
	// triesMax is how many logins may be tried at once, tryEvery how often one more.
	triesMax = 10
	tryEvery = time.Second
	// loginTimeout is how long the node may take to know a user.
	loginTimeout = 10 * time.Second
)

// session is a user who has logged in.
type session struct {
	user string
	used time.Time // sessions.mu guards it
}

// sessions are who has logged in.
type sessions struct {
	mu      sync.Mutex
	byToken map[string]*session
	tries   float64   // that are left
	tried   time.Time // when tries was counted
}

func (s *sessions) init() { s.byToken, s.tries = map[string]*session{}, triesMax }

func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.byToken)
}

// begin returns the token of a new session.
func (s *sessions) begin(user string, now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byToken) >= sessionsMax {
		var oldest string
		for token, one := range s.byToken {
			if oldest == "" || one.used.Before(s.byToken[oldest].used) {
				oldest = token
			}
		}
		delete(s.byToken, oldest)
	}
	token := rand.Text()
	s.byToken[token] = &session{user: user, used: now}
	return token
}

// find returns the session of a request, nil if there is none.
func (s *sessions) find(r *http.Request, now time.Time) *session {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byToken[cookie.Value]
	if one == nil {
		return nil
	}
	if now.Sub(one.used) > sessionTime {
		delete(s.byToken, cookie.Value)
		return nil
	}
	one.used = now
	return one
}

func (s *sessions) end(r *http.Request) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.byToken, cookie.Value)
	}
}

// mayTry tells whether another login may be tried now: passwords cannot be guessed fast.
func (s *sessions) mayTry(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries = min(triesMax, s.tries+now.Sub(s.tried).Seconds()/tryEvery.Seconds())
	s.tried = now
	if s.tries < 1 {
		return false
	}
	s.tries--
	return true
}

// tryAgain takes an attempt back that was right: what asks often with the right password is no guessing.
func (s *sessions) tryAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries = min(triesMax, s.tries+1)
}

// Guarded is a handler for the same people as the console is: those who have logged in there, who authenticate with the
// request, and everybody if the server asks nobody for a password.
func (c *Console) Guarded(next http.Handler) http.Handler {
	guarded := c.withSession(func(w http.ResponseWriter, r *http.Request, _ *session) { next.ServeHTTP(w, r) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="godwit"`)
			guarded.ServeHTTP(w, r)
			return
		}
		if status, why := c.authenticate(r, user, password); status != http.StatusOK {
			c.refuse(w, status, why)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// withSession is a handler for those who have logged in, and for everybody on loopback if the server asks nobody for a
// password.
func (c *Console) withSession(next func(http.ResponseWriter, *http.Request, *session)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := c.sessions.find(r, time.Now()); s != nil {
			next(w, r, s)
			return
		}
		ctx, cancel := c.until(r, loginTimeout)
		defer cancel()
		free, err := c.free(ctx)
		switch {
		case err != nil:
			c.refuse(w, http.StatusServiceUnavailable, "The node does not answer: "+err.Error())
		case !free:
			c.refuse(w, http.StatusUnauthorized, "Log in first.")
		case !c.open && !onLoopback(r):
			c.refuse(w, http.StatusForbidden, "This server asks nobody for a password, so its console answers on this machine only, at localhost. Set a password to open it to others.")
		default:
			next(w, r, &session{})
		}
	})
}

// free tells whether the server asks nobody for a password.
func (c *Console) free(ctx context.Context) (bool, error) {
	conn := dial(ctx, c.source, "")
	defer conn.close()
	v, err := conn.do("READONLY") // of the connection alone: it is answered though nobody leads
	switch {
	case err != nil:
		return false, err
	case bytes.HasPrefix(v.Bytes, []byte("NOAUTH")):
		return false, nil
	case v.IsError() && !bytes.HasPrefix(v.Bytes, []byte("NOPERM")): // too many clients, for example: who knows what it wants
		return false, sentence(printable(v.Bytes))
	}
	return true, nil
}

// onLoopback tells whether a request came over loopback, to a name of it: a page of another site can make its name mean
// this machine, and is refused.
func onLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && isLoopback(local.String()) && isLoopback(r.Host)
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// login begins a session for who can authenticate with the server.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	var who struct{ User, Password string }
	if err := json.NewDecoder(r.Body).Decode(&who); err != nil {
		c.refuse(w, http.StatusBadRequest, "The request is malformed.")
		return
	}
	if who.User == "" {
		who.User = "default"
	}
	if status, why := c.authenticate(r, who.User, who.Password); status != http.StatusOK {
		c.refuse(w, status, why)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: c.sessions.begin(who.User, time.Now()), Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
	c.answer(w, map[string]string{"user": who.User})
}

// authenticate asks the server whether a user has a password. If the status is not OK, it is to be told why.
func (c *Console) authenticate(r *http.Request, user, password string) (status int, why string) {
	if !c.sessions.mayTry(time.Now()) {
		return http.StatusTooManyRequests, "Too many attempts. Try again in a moment."
	}
	ctx, cancel := c.until(r, loginTimeout)
	defer cancel()
	conn := dial(ctx, c.source, "")
	defer conn.close()
	v, err := conn.do("AUTH", user, password)
	switch {
	case err != nil:
		return http.StatusServiceUnavailable, "The node does not answer: " + err.Error()
	case v.IsError():
		return http.StatusUnauthorized, "The server knows no such user with this password."
	}
	c.sessions.tryAgain()
	return http.StatusOK, ""
}

func (c *Console) logout(w http.ResponseWriter, r *http.Request) {
	c.sessions.end(r)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode, MaxAge: -1})
	c.answer(w, map[string]string{})
}

// whoAmI tells who has logged in: "" if nobody has to.
func (c *Console) whoAmI(w http.ResponseWriter, _ *http.Request, s *session) {
	c.answer(w, map[string]string{"user": s.user})
}
