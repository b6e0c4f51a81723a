package faulty

import (
	"os"
	"strconv"
)

// Clean is how often a test runs a scenario on what is right: once, or as often
// as the environment's ADIT_LOAD_CLEAN says.
func Clean() int {
	n, _ := strconv.Atoi(os.Getenv("ADIT_LOAD_CLEAN"))
	return max(n, 1)
}
