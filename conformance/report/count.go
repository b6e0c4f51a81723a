package report

import "fmt"

// Count is a number of things in words: 1 case, 2 cases.
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
