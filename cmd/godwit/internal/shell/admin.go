package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/godwitdb/godwit/internal/dberr"
)

func tableCommands() []command {
	return []command{
		{"tables", "", "list the tables", "", (*Shell).tables},
		{"create", "TABLE [ordered|hashed]", "make a table", "A hashed table has faster reads of single keys and no scans.", (*Shell).create},
		{"drop", "TABLE", "remove a table and all that is in it", "", (*Shell).drop},
	}
}

func (s *Shell) tables(_ context.Context, args []Word) error {
	if len(args) != 0 {
		return errUsage
	}
	for _, t := range s.store.Tables() {
		kind := "ordered"
		if t.Hashed {
			kind = "hashed"
		}
		s.printf("%s %s\n", s.Format.Append(nil, []byte(t.Name)), kind)
	}
	return nil
}

func (s *Shell) create(ctx context.Context, args []Word) error {
	hashed := len(args) == 2 && args[1].Is("hashed")
	if len(args) == 0 || len(args) > 2 || len(args) == 2 && !hashed && !args[1].Is("ordered") {
		return errUsage
	}
	err := s.store.CreateTable(ctx, args[0].Text, hashed)
	if errors.Is(err, dberr.ErrExists) {
		return fmt.Errorf("table %q exists already", args[0].Text)
	}
	return err
}

func (s *Shell) drop(ctx context.Context, args []Word) error {
	if len(args) != 1 {
		return errUsage
	}
	return s.store.DropTable(ctx, args[0].Text)
}

func scopeCommands() []command {
	return []command{
		{"begin", "[NAME] [readonly]", "start a transaction, for what follows", "If others change what it reads, commit reports a conflict and applies nothing. Several can be open: use goes from one to another.", (*Shell).begin},
		{"commit", "", "end the transaction and apply it", "", func(s *Shell, _ context.Context, args []Word) error {
			if len(args) != 0 {
				return errUsage
			}
			return s.finish(true)
		}},
		{"rollback", "", "end the transaction or snapshot, apply nothing", "", func(s *Shell, _ context.Context, args []Word) error {
			if len(args) != 0 {
				return errUsage
			}
			return s.finish(false)
		}},
		{"snapshot", "[NAME]", "keep the present state, for what follows", "rollback lets it go. The memory of what is deleted or replaced since is kept until then.", (*Shell).snapshot},
		{"use", "[NAME]", "go to another open one, or to none", "", (*Shell).use},
		{"open", "", "list the open transactions and snapshots", "", (*Shell).listOpen},
	}
}

func (s *Shell) begin(ctx context.Context, args []Word) error {
	readOnly := len(args) > 0 && args[len(args)-1].Is("readonly")
	if readOnly {
		args = args[:len(args)-1]
	}
	if len(args) > 1 {
		return errUsage
	}
	name, err := s.nameFor(args, "t")
	if err != nil {
		return err
	}
	t, err := begin(s.life, ctx, s.store, readOnly)
	if err != nil {
		return err
	}
	s.open(name, t)
	return nil
}

func (s *Shell) snapshot(ctx context.Context, args []Word) error {
	if len(args) > 1 {
		return errUsage
	}
	name, err := s.nameFor(args, "s")
	if err != nil {
		return err
	}
	snapshot, err := s.store.Snapshot(ctx)
	if err != nil {
		return err
	}
	s.open(name, view{snapshot})
	return nil
}

func (s *Shell) use(_ context.Context, args []Word) error {
	switch len(args) {
	case 0:
		s.current = ""
		return nil
	case 1:
		if s.scopes[args[0].Text] == nil {
			return fmt.Errorf("%s is not open; open lists what is", args[0].Text)
		}
		s.current = args[0].Text
		return nil
	}
	return errUsage
}

func (s *Shell) listOpen(_ context.Context, args []Word) error {
	if len(args) != 0 {
		return errUsage
	}
	for _, name := range slices.Sorted(maps.Keys(s.scopes)) {
		mark := " "
		if name == s.current {
			mark = "*"
		}
		s.printf("%s %s: %s\n", mark, name, s.scopes[name].kind())
	}
	return nil
}

func adminCommands() []command {
	return []command{
		{"checkpoint", "", "write all data to disk and cut the log", "", func(s *Shell, ctx context.Context, args []Word) error {
			if len(args) != 0 {
				return errUsage
			}
			return s.store.Checkpoint(ctx)
		}},
		{"backup", "FILE", "write all data to a new file", "", func(s *Shell, ctx context.Context, args []Word) error {
			if len(args) != 1 {
				return errUsage
			}
			return BackupFile(ctx, s.store.Backup, args[0].Text)
		}},
		{"restore", "FILE DIR", "make a new data folder from a backup", "The database of this shell stays as it is.", func(s *Shell, ctx context.Context, args []Word) error {
			if len(args) != 2 {
				return errUsage
			}
			return RestoreFile(ctx, s.store.Restore, args[0].Text, args[1].Text)
		}},
		{"stats", "", "figures about the database", "", func(s *Shell, _ context.Context, args []Word) error {
			if len(args) != 0 {
				return errUsage
			}
			for _, stat := range s.store.Stats() {
				s.printf("%-32s %s\n", stat.Name, stat.Value)
			}
			return nil
		}},
	}
}

// BackupFile has backup write to a new file with that name. The file is there
// only once it is whole and on disk.
func BackupFile(ctx context.Context, backup func(context.Context, io.Writer) error, name string) (err error) {
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s exists already", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".part-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// The first error counts; what is left over is useless either way.
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := backup(ctx, f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

// syncFolder makes a new name in a folder survive a loss of power. Windows has
// no such call and does not need it.
func syncFolder(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if closeErr := dir.Close(); err == nil {
		err = closeErr
	}
	return err
}

// RestoreFile has restore read the file with that name into a new folder.
func RestoreFile(ctx context.Context, restore func(context.Context, string, io.Reader) error, name, dir string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	err = restore(ctx, dir, f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
