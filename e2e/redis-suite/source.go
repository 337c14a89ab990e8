package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

const (
	suiteVersion = "7.0.15"
	// archiveSum is the SHA-256 of the archive as Debian's signed index has it.
	archiveSum      = "4b1dc4ee6d622a09fff9c6777191209750fb5e5a725ef78ea012d6eef4c22982"
	archiveName     = "redis_" + suiteVersion + ".orig.tar.gz"
	archiveBytesMax = 16 << 20
	// suiteMark is a file that an unpacked suite has once it is whole.
	suiteMark = ".whole"
)

// suite returns the folder of the suite, and gets it first where it is missing.
func suite(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, "godwit-e2e")
	dir := filepath.Join(home, "redis-"+suiteVersion)
	if _, err := os.Stat(filepath.Join(dir, suiteMark)); err == nil {
		return dir, linkShell(dir)
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	archive := filepath.Join(home, archiveName)
	data, err := os.ReadFile(archive)
	if errors.Is(err, os.ErrNotExist) {
		if err := download(ctx, home); err != nil {
			return "", fmt.Errorf("no source package of Redis %s: %w; where apt has none, put %s into %s", suiteVersion, err, archiveName, home)
		}
		data, err = os.ReadFile(archive)
	}
	if err != nil {
		return "", err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != archiveSum {
		return "", fmt.Errorf("%s has the SHA-256 %x, not %s", archive, sum, archiveSum)
	}
	if err := unpack(data, dir); err != nil {
		return "", fmt.Errorf("%s: %w", archive, err)
	}
	if err := os.WriteFile(filepath.Join(dir, suiteMark), nil, 0o644); err != nil {
		return "", err
	}
	return dir, linkShell(dir)
}

// linkShell puts the machine's redis-cli where the tests of it look for the one
// that was built beside them. Without one, they say that it is missing.
func linkShell(dir string) error {
	shell, err := exec.LookPath("redis-cli")
	if errors.Is(err, exec.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	link := filepath.Join(dir, "src", "redis-cli")
	if _, err := os.Stat(link); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	return os.Symlink(shell, link)
}

// download puts Debian's source package of Redis into the folder home. The lists
// of packages that it needs are apt's own in a folder that is thrown away: the
// machine's configuration is only read.
func download(ctx context.Context, home string) error {
	tmp, err := os.MkdirTemp("", "redis-suite-apt")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	parts := filepath.Join(tmp, "parts")
	for _, dir := range []string{parts, filepath.Join(tmp, "lists", "partial"), filepath.Join(tmp, "cache", "archives", "partial")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := sourceLists("/etc/apt", parts); err != nil {
		return err
	}
	apt := func(args ...string) error {
		args = append([]string{
			"-o", "Dir::Etc::sourcelist=/dev/null",
			"-o", "Dir::Etc::sourceparts=" + parts,
			"-o", "Dir::State::lists=" + filepath.Join(tmp, "lists"),
			"-o", "Dir::Cache=" + filepath.Join(tmp, "cache"),
		}, args...)
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Dir = home
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(out))
		}
		return nil
	}
	if err := apt("update"); err != nil {
		return err
	}
	return apt("source", "--download-only", "redis")
}

// sourceLists writes to the folder parts the places that the configuration etc
// of apt has packages from, as places to have their sources from.
func sourceLists(etc, parts string) error {
	files, err := filepath.Glob(filepath.Join(etc, "sources.list.d", "*"))
	if err != nil {
		return err
	}
	for _, file := range append(files, filepath.Join(etc, "sources.list")) {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		var out strings.Builder
		for line := range strings.Lines(string(data)) {
			if types, ok := strings.CutPrefix(line, "Types:"); ok && strings.Contains(types, "deb") {
				line = "Types: deb-src\n"
			} else if rest, ok := strings.CutPrefix(line, "deb "); ok {
				line = "deb-src " + rest
			}
			out.WriteString(line)
		}
		if err := os.WriteFile(filepath.Join(parts, filepath.Base(file)), []byte(out.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// unpack writes the tests in the archive to the folder dir.
func unpack(archive []byte, dir string) error {
	compressed, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	files := tar.NewReader(compressed)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(path.Clean(header.Name), "/")
		if header.Typeflag != tar.TypeReg || !strings.HasPrefix(name, "tests/") {
			continue
		}
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		data, err := io.ReadAll(io.LimitReader(files, archiveBytesMax))
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
	}
}
