package benchcluster

import (
	"errors"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/wal"
)

func TestFolderIsOneMembers(t *testing.T) {
	dir, who := t.TempDir(), identity{Cluster: 7, Member: 2}
	f, err := openFolder(env.OS(), dir, who, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openFolder(env.OS(), dir, who, false); !errors.Is(err, dberr.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	if err := f.ballots.Put(wal.Ballot{Epoch: 3, Vote: 1}); err != nil {
		t.Fatal(err)
	}
	if err := f.tape.Append([]wal.Round{{Number: 1, Epoch: 3, Kind: wal.RoundOpen}}); err != nil {
		t.Fatal(err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	for _, other := range []identity{{7, 3}, {8, 2}} {
		if _, err := openFolder(env.OS(), dir, other, false); err == nil || !strings.Contains(err.Error(), "belongs to member 2 of cluster 7") {
			t.Errorf("%+v: %v", other, err)
		}
	}
	if f, err = openFolder(env.OS(), dir, who, true); err != nil {
		t.Fatal(err)
	}
	if f.ballot != (wal.Ballot{Epoch: 3, Vote: 1}) || len(f.contents.Rounds) != 1 {
		t.Errorf("%+v, %d rounds", f.ballot, len(f.contents.Rounds))
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
}
