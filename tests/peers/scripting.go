package peers

import (
	"context"
	"path/filepath"
	"strings"
)

// Python installs a virtual environment with one package of PyPI, and returns its
// interpreter.
func Python(ctx context.Context, l Library) (interpreter string, err error) {
	dir, err := install("python-"+l.Name+"-"+l.Version, func(dir string) error {
		if err := Programs(ctx, "python3"); err != nil {
			return err
		}
		// The environment's scripts hold its path, so only its interpreter is used:
		// that finds its packages from where it lies.
		if _, err := run(ctx, dir, "python3", "-m", "venv", "env"); err != nil {
			// Debian's python3 comes without the module's other half.
			if err := aptInstall(ctx, "python3-venv"); err != nil {
				return err
			}
			if _, err := run(ctx, dir, "python3", "-m", "venv", "--clear", "env"); err != nil {
				return err
			}
		}
		_, err := run(ctx, dir, filepath.Join(dir, "env/bin/python"),
			append([]string{"-m", "pip", "install", "-q", l.Name + "==" + l.Version}, l.Beside...)...)
		return err
	})
	return filepath.Join(dir, "env/bin/python"), err
}

// Node installs a package of npm, with scripts of its own run under the given variables,
// and returns the folder whose node_modules has it.
func Node(ctx context.Context, l Library, env ...string) (dir string, err error) {
	if err := Programs(ctx, "node"); err != nil {
		return "", err
	}
	name := strings.ReplaceAll(strings.TrimPrefix(l.Name, "@"), "/", "-")
	return install("node-"+name+"-"+l.Version, func(dir string) error {
		if err := Programs(ctx, "npm"); err != nil {
			return err
		}
		_, err := Command{Path: "npm", Env: env, Args: []string{
			"install", "--loglevel=error", "--no-audit", "--no-fund", "--prefix", dir, l.Name + "@" + l.Version}}.Run(ctx, "")
		return err
	})
}

// Rust builds the program of the crate in folder dir, named as the folder is, with what its
// lock file names. What was compiled is kept, which spares the next run minutes.
func Rust(ctx context.Context, dir string) (binary string, err error) {
	if err := Programs(ctx, "cargo", "gcc", "g++", "make", "cmake"); err != nil {
		return "", err
	}
	// librdkafka's source includes curl's header, whether or not it is to use it.
	if err := Libraries(ctx, "zlib1g-dev", "libcurl4-openssl-dev"); err != nil {
		return "", err
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	target := filepath.Join(cache, "rust")
	if _, err := run(ctx, dir, "cargo", "build", "--release", "--locked", "--target-dir", target); err != nil {
		return "", err
	}
	return filepath.Join(target, "release", filepath.Base(dir)), nil
}
