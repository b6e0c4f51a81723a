package fault

import (
	"errors"

	"github.com/spf13/cobra"
)

func wrapServerCommand() *cobra.Command      { return &cobra.Command{Use: "wrap-server"} }
func wrapClientCommand() *cobra.Command      { return &cobra.Command{Use: "wrap-client"} }
func newForeign(a, b string) (source, error) { return nil, errors.New("x") }
