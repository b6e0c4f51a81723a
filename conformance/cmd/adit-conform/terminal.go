package main

import (
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// pageWidth is how wide a page of text is where there is no terminal.
const pageWidth = 100

// widthOf is how many columns a text may take.
func widthOf(w io.Writer) int {
	if isTerminal(w) {
		if columns, _, err := term.GetSize(int(w.(*os.File).Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return pageWidth
}

// hang wraps a text whose first line begins at a column, and so do the others.
func hang(s string, column, width int) string {
	lines := strings.Split(text.WrapSoft(s, max(width-column, 30)), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", column))
}
