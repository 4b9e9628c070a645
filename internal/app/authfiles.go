package app

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/tintype/tintype/internal/web/auth"
)

// maxTokens bounds a file of tokens that is read before one is added, bytes.
const maxTokens = 4 << 20

// AuthKey prints a session key.
func AuthKey(out IO) error {
	_, err := fmt.Fprintln(out.Out, auth.NewKey())
	return err
}

// AuthHash asks for a password and prints a user's line of a htpasswd file.
func AuthHash(out IO, name string) error {
	password, err := readPassword(out, name)
	if err != nil {
		return err
	}
	line, err := auth.HashPassword(name, password)
	if err != nil {
		return &BadSetting{fmt.Errorf("auth hash: %w", err)}
	}
	_, err = fmt.Fprintln(out.Out, line)
	return err
}

// readPassword asks at a terminal, twice and without an echo; otherwise it takes a line.
func readPassword(out IO, name string) (string, error) {
	if f, ok := out.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		var given [2]string
		for i, prompt := range []string{"Password of " + name + ": ", "Once more: "} {
			fmt.Fprint(out.Err, prompt)
			b, err := term.ReadPassword(int(f.Fd()))
			fmt.Fprintln(out.Err)
			if err != nil {
				return "", fmt.Errorf("read the password: %w", err)
			}
			given[i] = string(b)
		}
		if given[0] != given[1] {
			return "", refuse("try again", "the two passwords differ")
		}
		return given[0], nil
	}
	if out.In == nil {
		return "", refuse("give it on the standard input", "there is no password")
	}
	line, err := bufio.NewReader(io.LimitReader(out.In, 4096)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// TokenOptions say what a token is for.
type TokenOptions struct {
	Scopes []string
	Life   time.Duration // 0: no end
	File   string        // "": the line is printed
}

// AuthToken makes a token and prints it, this once; its line goes to the file of tokens.
func AuthToken(out IO, o TokenOptions, name string, now time.Time) error {
	var scope auth.Scope
	for _, s := range o.Scopes {
		one, err := auth.ParseScope(s)
		if err != nil {
			return &BadSetting{fmt.Errorf("auth token: --scope: %w", err)}
		}
		scope |= one
	}
	var end time.Time
	if o.Life < 0 {
		return &BadSetting{errors.New("auth token: --expires: a token that has run out is of no use")}
	}
	if o.Life > 0 {
		end = now.Add(o.Life)
	}
	secret, line, err := auth.NewToken(name, scope, end)
	if err != nil {
		return &BadSetting{fmt.Errorf("auth token: %w", err)}
	}
	if o.File != "" {
		if err := appendToken(o.File, name, line); err != nil {
			return err
		}
	}
	switch {
	case out.JSON:
		answer := map[string]string{"name": name, "token": secret}
		if o.File == "" {
			answer["line"] = line
		}
		return json.NewEncoder(out.Out).Encode(answer)
	case o.File == "":
		fmt.Fprintln(out.Err, "The token, which is shown this once, and the line for the file of tokens:")
		fmt.Fprintln(out.Out, secret)
		fmt.Fprintln(out.Out, line)
	default:
		fmt.Fprintln(out.Err, "The token, which is shown this once:")
		fmt.Fprintln(out.Out, secret)
	}
	return nil
}

// appendToken adds a line to a file of tokens, which is made where there is none.
func appendToken(path, name, line string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTokens+1))
	if err != nil {
		return err
	}
	if len(text) > maxTokens {
		return refuse("choose the file of tokens", "%s is larger than %d bytes", path, maxTokens)
	}
	names, err := auth.TokenNames(text)
	if err != nil {
		return refuse("mend the line first", "%s: %v", path, err)
	}
	if names[name] {
		return refuse("remove its line first, or choose another name", "%s has a token of the name %s already", path, name)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		line = "\n" + line
	}
	if _, err := f.WriteString(line + "\n"); err != nil {
		return err
	}
	return f.Close()
}
