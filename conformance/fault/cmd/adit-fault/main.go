// Command adit-fault is a tunnel peer that breaks one requirement on demand.
// adit-conform self-check certifies it, mutant by mutant, to prove that the
// suite can fail.
//
//	adit-fault server --tunnel ADDR --visitor ADDR --target HOST:PORT [--api ADDR --store FILE --ports A-B] [--mutant NAME]
//	adit-fault client --server ADDR [--mutant NAME]
//	adit-fault wrap-server --subject FILE --tunnel ADDR --visitor ADDR --target ADDR --rewrite NAME
//	adit-fault wrap-client --subject FILE --server ADDR --target ADDR --rewrite NAME
//	adit-fault mutants
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/adit-tunnel/adit/conformance/fault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := fault.Command(os.Stdout).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "adit-fault:", err)
		os.Exit(2)
	}
}
