//go:build unix

package child

import (
	"syscall"
	"testing"
)

func TestPaused(t *testing.T) {
	p, reports, _ := start(t)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	// The signal takes effect some time after it was sent.
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("it does not stop: %v, status %v", err, status)
	}
	if err := p.Order("more"); err != nil {
		t.Fatal(err)
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	if got := <-reports; got != "more" {
		t.Errorf("reported was %q", got)
	}
	p.Kill()
	_ = p.Wait() // which says only that it was killed
}
