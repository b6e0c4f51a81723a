package main

import (
	"fmt"
	"io"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/config"
)

// credential makes an API key or a token, and prints it once: that alone goes to out, for scripts. It returns the exit code.
func credential(command string, args []string, out, notes io.Writer) int {
	q, c, err := config.LoadCredential(command, args, out)
	return finish(err, out, notes, func() error {
		a := c.Security.API
		text, note := "", fmt.Sprintf("It is good for %v, and cannot be taken back before; it is not shown again.", q.Lifetime)
		if command == "token" {
			text, err = access.NewToken(a.JWTKeyFile, q.Name, q.Role, q.Lifetime)
		} else {
			text, err = access.AddKey(a.KeysFile, q.Name, q.Role)
			note = fmt.Sprintf("Its digest is in %s, and it is not shown again; remove the line that begins with %s to end it.", a.KeysFile, q.Name)
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, text); err != nil {
			return fmt.Errorf("the %s of %s was made, and could not be printed: %w", command, q.Name, err)
		}
		_, _ = fmt.Fprintf(notes, "%s has the role %s at a server that was started with --security.api.enable_auth. %s\n", q.Name, q.Role, note)
		return nil
	})
}
