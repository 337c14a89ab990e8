// Package consoletest looks at the console with a real browser, Chromium: in wide and narrow windows, light and dark. It passes
// the accessibility rules of axe, paints early, and no request leaves the node. See console_test.go for what it needs.
package consoletest
