package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamhouse/streamhouse/client"
)

func userCommand(s *session) *cobra.Command {
	return s.clustered(group(&cobra.Command{Use: "user", Aliases: []string{"users"}, Short: "users who log in with SCRAM"},
		userCreate(s), userList(s), userDelete(s)))
}

func userList(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "list users and how they can log in",
		Args:  atMost(0),
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			defer cl.Close()
			users, err := cl.Users(c.Context())
			if err != nil {
				return err
			}
			if len(users) == 0 {
				s.note(`there are no users; "streamhouse user create NAME --password-file FILE" creates one`)
			}
			var rows [][]string
			for _, u := range users {
				for _, one := range u.Credentials {
					rows = append(rows, []string{u.Name, one.Mechanism, fmt.Sprint(one.Iterations)})
				}
			}
			return write(s.Out, table([]string{"USER", "MECHANISM", "ITERATIONS"}, rows))
		},
	}
}

// passwordMax bounds a password in bytes.
const passwordMax = 4096

func userCreate(s *session) *cobra.Command {
	var n client.NewUser
	var file, data string
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "create a user, also before a broker is started",
		Long: "Creates a user who can log in with SCRAM. The password is the first line of a file, or of stdin, and does not leave this machine.\n\n" +
			"With --data the user is written into the data folder of a broker that does not run: so the first administrator comes into a cluster whose listeners all ask for a login.",
		Example: "  streamhouse user create alice --password-file alice.txt\n" +
			"  streamhouse user create admin --password-file - --data /var/lib/streamhouse",
		Args: needs(1, "NAME"),
	}
	f := c.Flags()
	f.StringVar(&n.Mechanism, "mechanism", "SCRAM-SHA-512", "SCRAM-SHA-256 or SCRAM-SHA-512")
	f.Int32Var(&n.Iterations, "iterations", 4096, "how often the password is hashed, from 4096 to 16384")
	f.StringVar(&file, "password-file", "", "file whose first line is the password; - for stdin")
	f.StringVar(&data, "data", "", "data folder of a broker that does not run")
	f.BoolVar(&n.Replace, "replace", false, "give a user who exists another password")
	c.RunE = func(c *cobra.Command, args []string) error {
		n.Name = args[0]
		var err error
		if n.Password, err = s.password(file); err != nil {
			return err
		}
		if err := n.Check(); err != nil {
			return err
		}
		if err := s.createUser(c.Context(), data, n); err != nil {
			return err
		}
		return write(s.Out, fmt.Sprintf("created user %q with %s\n", n.Name, n.Mechanism))
	}
	return c
}

// createUser makes a user in a folder, or else in a cluster.
func (s *session) createUser(ctx context.Context, data string, n client.NewUser) error {
	if data != "" {
		if err := s.CreateUser(ctx, data, n); err != nil {
			return &client.Fault{Kind: client.KindOf(err), What: fmt.Sprintf("cannot create user %q", n.Name), Why: err.Error()}
		}
		return nil
	}
	cl, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	return cl.CreateUser(ctx, n)
}

// password is the first line of a file.
func (s *session) password(file string) (string, error) {
	missing := &client.Fault{Kind: client.Invalid, What: "the password is missing", Next: "give --password-file FILE, or - for stdin"}
	in := s.In
	if file == "" {
		return "", missing
	}
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", &client.Fault{Kind: client.Invalid, What: "cannot read the password", Why: err.Error()}
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, passwordMax+1))
	if err != nil {
		return "", &client.Fault{Kind: client.Invalid, What: "cannot read the password", Why: err.Error()}
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSuffix(line, "\r")
	switch {
	case line == "":
		return "", missing
	case len(line) > passwordMax:
		return "", &client.Fault{Kind: client.Invalid, What: "cannot read the password", Why: fmt.Sprintf("it is longer than %d bytes", passwordMax)}
	}
	return line, nil
}

func userDelete(s *session) *cobra.Command {
	var mechanism string
	var yes bool
	c := &cobra.Command{
		Use:     "delete NAME",
		Short:   "delete a user",
		Long:    "Deletes a user. Connections that are open go on until their session ends (connections.max.reauth.ms).",
		Example: "  streamhouse user delete alice --mechanism SCRAM-SHA-256",
		Args:    needs(1, "NAME"),
	}
	c.Flags().StringVar(&mechanism, "mechanism", "", "only in this mechanism")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := s.connect(c.Context())
		if err != nil {
			return err
		}
		defer cl.Close()
		if !yes {
			if err := s.ask(fmt.Sprintf("delete user %q?", args[0])); err != nil {
				return err
			}
		}
		if err := cl.DeleteUser(c.Context(), args[0], mechanism); err != nil {
			return err
		}
		return write(s.Out, fmt.Sprintf("deleted user %q\n", args[0]))
	}
	return c
}
