package consoletest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// paintMax is how long a page may take to show something, from the click on its link on.
const paintMax = time.Second

// screenshots, in the environment, is a folder for pictures of the pages.
const screenshots = "SCREENSHOTS"

// browser starts Chromium. Its tabs are made of the context that is returned.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("hide-scrollbars", true)) // in containers there is no sandbox
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// requests notes what a tab asks for.
type requests struct {
	mu   sync.Mutex
	urls []string
}

func (r *requests) watch(ctx context.Context) error {
	return chromedp.Listen(ctx, func(event any) {
		var url string
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			url = e.Request.URL
		case *network.EventWebSocketCreated:
			url = e.URL
		default:
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.urls = append(r.urls, url)
	})
}

// needed returns the source of axe, which npm ci brings to this folder. Like Chromium it may be missing.
func needed(t *testing.T) string {
	t.Helper()
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Skipf("axe is not installed: %v", err)
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skipf("Chromium is not installed: %v", err)
	}
	return string(axe)
}

// TestPages uses the pages as an operator does, while a shard is busy.
func TestPages(t *testing.T) {
	axe := needed(t)
	nodes := startShard(t)
	defer load(t, nodes[0].addr, 8)()
	ctx := browser(t)
	leader, err := nodes[0].db.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	url := nodes[leader.Leader-1].url
	if os.Getenv(screenshots) != "" { // something to see
		err := chromedp.Do(ctx, chromedp.Sleep(20*time.Second))
		if err == nil {
			err = nodes[leader.Leader-1].db.Transfer(t.Context(), leader.Leader%3+1)
		}
		if err == nil {
			url = nodes[leader.Leader%3].url
			err = chromedp.Do(ctx, chromedp.Sleep(25*time.Second))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []struct {
		name          string
		width, height int64
		mobile        bool
	}{{"desktop", 1360, 900, false}, {"phone", 390, 844, true}} {
		for _, colours := range []string{"light", "dark"} {
			t.Run(size.name+"-"+colours, func(t *testing.T) {
				tab, cancel := chromedp.NewContext(ctx)
				defer cancel()
				var asked requests
				if err := errors.Join(open(tab, size.width, size.height, size.mobile, colours), asked.watch(tab)); err != nil {
					t.Fatal(err)
				}
				if err := chromedp.Do(tab, chromedp.Navigate(url), until(`document.querySelector("#f-released").textContent != "–"`)); err != nil {
					t.Fatal(err)
				}
				checkPaint(t, tab)
				for _, page := range []struct{ name, ready string }{
					{"live", `document.querySelectorAll("#hot-list li").length > 3 && document.querySelectorAll("#node-list tr").length == 3 &&
						[...document.querySelectorAll("#node-list td.figure")].filter((e) => e.textContent != "–").length == 24`},
					{"keys", `document.querySelectorAll("#key-list li").length > 20`},
					{"run", `true`},
				} {
					err := chromedp.Do(tab, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("location.hash = %q", page.name)), until(page.ready))
					if err == nil {
						err = act(tab, page.name)
					}
					if err != nil {
						t.Fatal(page.name, err)
					}
					checkAxe(t, tab, axe, page.name)
					picture(t, tab, page.name+"-"+size.name+"-"+colours)
					checkWidth(t, tab, page.name)
				}
				asked.mu.Lock()
				defer asked.mu.Unlock()
				t.Logf("%d requests", len(asked.urls))
				for _, u := range asked.urls {
					if !strings.HasPrefix(u, url+"/") {
						t.Errorf("a request left the node: %s", u)
					}
				}
			})
		}
	}
}

// open prepares a tab of a size, for somebody who prefers light or dark colours.
func open(tab context.Context, width, height int64, mobile bool, colours string) error {
	_, err := chromedp.Call(tab, network.Enable, network.EnableParams{})
	if err != nil {
		return err
	}
	if _, err = chromedp.Call(tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: mobile}); err != nil {
		return err
	}
	_, err = chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: colours}}})
	return err
}

// until waits for a condition.
func until(condition string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](condition)
}

// act uses a page as an operator does.
func act(tab context.Context, page string) error {
	click := func(css string) chromedp.Action[chromedp.Void] { return chromedp.Click(chromedp.CSS(css)) }
	switch page {
	case "keys":
		return chromedp.Do(tab, chromedp.SetValue(chromedp.CSS(`#keys-form input[name="match"]`), "user:1?"), click("#keys-form button"),
			until(`document.querySelectorAll("#key-list li").length > 3`), click("#key-list button"),
			until(`document.querySelectorAll("#key-view tbody td").length > 0`))
	case "run":
		return chromedp.Do(tab, click("#run-form button.main"), until(`document.querySelectorAll("#run-result .reply").length == 3`))
	}
	return nil
}

func checkPaint(t *testing.T, tab context.Context) {
	t.Helper()
	ms, err := chromedp.Run(tab, chromedp.Evaluate[float64](`performance.getEntriesByName("first-contentful-paint")[0].startTime`))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("first paint after %.0f ms", ms)
	if limit := float64(paintMax.Milliseconds()); ms > limit {
		t.Errorf("first paint after %.0f ms, more than %.0f", ms, limit)
	}
}

// checkWidth demands that a page is not wider than its window.
func checkWidth(t *testing.T, tab context.Context, page string) {
	t.Helper()
	wider, err := chromedp.Run(tab, chromedp.Evaluate[[]string](`document.documentElement.scrollWidth <= innerWidth ? [] :
		[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.tagName + "#" + e.id + "." + e.className)`))
	if err != nil {
		t.Fatal(err)
	}
	if len(wider) > 0 {
		t.Errorf("%s is wider than the window: %v", page, wider)
	}
}

func checkAxe(t *testing.T, tab context.Context, axe, page string) {
	t.Helper()
	if err := chromedp.Do(tab, chromedp.Evaluate[chromedp.Void](axe+";0")); err != nil {
		t.Fatal(err)
	}
	raw, err := chromedp.Run(tab, chromedp.Evaluate[string](`axe.run(document).then((r) => JSON.stringify({
		passes: r.passes.length,
		violations: r.violations.map((v) => ({ id: v.id, help: v.help, nodes: v.nodes.map((n) => n.html + " " + n.failureSummary) })),
	}))`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	var result struct {
		Passes     int
		Violations []struct {
			ID, Help string
			Nodes    []string
		}
	}
	if err := json.Unmarshal([]byte(raw), &result); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d rules of axe passed", page, result.Passes)
	if result.Passes == 0 {
		t.Errorf("%s: axe has looked at nothing", page)
	}
	for _, v := range result.Violations {
		t.Errorf("%s: %s: %s\n%s", page, v.ID, v.Help, strings.Join(v.Nodes, "\n"))
	}
}

func picture(t *testing.T, tab context.Context, name string) {
	t.Helper()
	folder := os.Getenv(screenshots)
	if folder == "" {
		return
	}
	png, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}
