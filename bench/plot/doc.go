// Package plot draws benchmark results: one run over time, and several runs beside
// each other. Each chart is written as SVG, for documents, and PNG.
package plot
