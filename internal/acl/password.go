package acl

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
)

// How passwords are hashed: argon2id with what OWASP recommends, some 25 ms on one core.
const (
	hashMemoryKiB = 19 << 10
	hashPasses    = 2
	hashThreads   = 1
	hashSaltBytes = 16
	hashBytes     = 32
	// hashesMax is how many are computed at a time; others wait. So authentication takes at most this many cores,
	// and hashesMax * hashMemoryKiB of memory.
	hashesMax = 1
	// verifiedMax is how many passwords that were right are known, so that they need not be hashed again.
	verifiedMax = 1024
)

// Passwords computes hashes of passwords. It remembers which were right, by an HMAC with a key that never leaves the
// process: a pool of connections costs one hash.
type Passwords struct {
	slots chan struct{}
	key   [32]byte

	mu struct {
		sync.Mutex
		verified map[[sha256.Size]byte]struct{}
	}
}

// NewPasswords returns Passwords that remember nothing.
func NewPasswords() *Passwords {
	p := &Passwords{slots: make(chan struct{}, hashesMax)}
	_, _ = rand.Read(p.key[:]) // it never fails
	p.mu.verified = map[[sha256.Size]byte]struct{}{}
	return p
}

func sha256hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func isSHA256(text string) bool {
	return len(text) == 2*sha256.Size && strings.Trim(text, "0123456789abcdef") == ""
}

// hash returns a hash of a password's digest, with the salt of the first of others.
func (p *Passwords) hash(ctx context.Context, digest string, others []string) (string, error) {
	salt := make([]byte, hashSaltBytes)
	_, _ = rand.Read(salt)
	for _, o := range others {
		if s, ok := saltOf(o); ok {
			salt = s
			break
		}
	}
	return p.compute(ctx, digest, salt)
}

// match returns which of some hashes is that of a password's digest, "" if none.
func (p *Passwords) match(ctx context.Context, digest string, hashes []string) (string, error) {
	for _, h := range hashes {
		if p.known(p.mark(digest, h)) {
			return h, nil
		}
	}
	computed := map[string]string{} // by salt
	for _, h := range hashes {
		salt, ok := saltOf(h)
		if !ok {
			continue
		}
		if computed[string(salt)] == "" {
			own, err := p.compute(ctx, digest, salt)
			if err != nil {
				return "", err
			}
			computed[string(salt)] = own
		}
		if subtle.ConstantTimeCompare([]byte(computed[string(salt)]), []byte(h)) == 1 {
			p.remember(p.mark(digest, h))
			return h, nil
		}
	}
	return "", nil
}

// compute hashes a digest as soon as there is a slot.
func (p *Passwords) compute(ctx context.Context, digest string, salt []byte) (string, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	sum := argon2.IDKey([]byte(digest), salt, hashPasses, hashMemoryKiB, hashThreads, hashBytes)
	return hashPrefix() + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(sum), nil
}

// hashPrefix is what a hash begins with, as password hashes are commonly written.
func hashPrefix() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, hashMemoryKiB, hashPasses, hashThreads)
}

// saltOf returns the salt of a hash; ok is false if it is none.
func saltOf(hash string) (salt []byte, ok bool) {
	rest, ok := strings.CutPrefix(hash, hashPrefix())
	a, b, found := strings.Cut(rest, "$")
	salt, err1 := base64.RawStdEncoding.DecodeString(a)
	sum, err2 := base64.RawStdEncoding.DecodeString(b)
	return salt, ok && found && err1 == nil && err2 == nil && len(salt) == hashSaltBytes && len(sum) == hashBytes
}

func isHash(text string) bool {
	_, ok := saltOf(text)
	return ok
}

// mark is what is remembered of a password that was right.
func (p *Passwords) mark(digest, hash string) (m [sha256.Size]byte) {
	h := hmac.New(sha256.New, p.key[:])
	_, _ = h.Write([]byte(digest + hash))
	h.Sum(m[:0])
	return m
}

func (p *Passwords) known(m [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.mu.verified[m]
	return ok
}

func (p *Passwords) remember(m [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for old := range p.mu.verified {
		if len(p.mu.verified) < verifiedMax {
			break
		}
		delete(p.mu.verified, old)
	}
	p.mu.verified[m] = struct{}{}
}
