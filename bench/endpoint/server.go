package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/freeport"
)

// kind is a program that speaks SQS.
type kind struct {
	name    string
	durable string // what an acknowledged message survives
	// command starts it on a port with a data directory that it may use.
	command func(port int, dir string) *exec.Cmd
}

func tintype(o options) kind {
	return kind{"tintype", "synced", func(port int, dir string) *exec.Cmd {
		return exec.Command(o.tintype, "endpoint", "--endpoint-addr", loopback(port), "--console-addr", "127.0.0.1:0", "--data", dir, "--log-level", "error")
	}}
}

// peers are those that are installed.
func peers(o options) []kind {
	var found []kind
	if path := program("BENCH_GOAWS", "goaws"); path != "" {
		found = append(found, kind{"goaws", "in memory", func(port int, dir string) *exec.Cmd {
			conf := filepath.Join(dir, "goaws.yaml")
			// Its start fails if the file cannot be written.
			_ = os.WriteFile(conf, fmt.Appendf(nil, "Local:\n  Host: localhost\n  Port: %d\n  Region: us-east-1\n  AccountId: \"000000000000\"\n", port), 0o600)
			return exec.Command(path, "-config", conf, "-loglevel", "error")
		}})
	}
	if path := program("BENCH_FAUXQS", "fauxqs"); path != "" {
		found = append(found, kind{"fauxqs", "in memory", func(port int, _ string) *exec.Cmd {
			cmd := exec.Command(path)
			cmd.Env = append(os.Environ(), "FAUXQS_PORT="+strconv.Itoa(port), "FAUXQS_LOGGER=false")
			return cmd
		}}, kind{"fauxqs+sqlite", "written", func(port int, dir string) *exec.Cmd {
			cmd := exec.Command(path)
			cmd.Env = append(os.Environ(), "FAUXQS_PORT="+strconv.Itoa(port), "FAUXQS_LOGGER=false", "FAUXQS_PERSISTENCE=true", "FAUXQS_DATA_DIR="+dir)
			return cmd
		}})
	}
	if path := program("BENCH_MOTO", "moto_server"); path != "" && o.moto {
		found = append(found, kind{"moto", "in memory", func(port int, _ string) *exec.Cmd {
			return exec.Command(path, "-H", "127.0.0.1", "-p", strconv.Itoa(port))
		}})
	}
	return found
}

func program(env, name string) string {
	if p := os.Getenv(env); p != "" {
		name = p
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// server is a running program.
type server struct {
	kind
	cmd *exec.Cmd
	url string
}

// start starts a program on a free port and waits until it answers.
func start(ctx context.Context, k kind, dir string) (*server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	addr, err := freeport.Addr()
	if err != nil {
		return nil, err
	}
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	port := int(at.Port())
	s := &server{kind: k, cmd: k.command(port, dir), url: "http://" + loopback(port)}
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", k.name, err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		conn, err := net.DialTimeout("tcp", loopback(port), time.Second)
		if err == nil {
			return s, conn.Close()
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			s.kill()
			return nil, fmt.Errorf("%s does not answer: %w", k.name, err)
		}
		time.Sleep(time.Millisecond)
	}
}

// kill ends the program at once, with no chance to tidy up.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended by itself
	_ = s.cmd.Wait()         // says that it was killed
}

// cpu is the processor time that the program has used, user and system.
func (s *server) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// Fields 14 and 15, in ticks of 10 ms, counted after the command's name, which may
	// contain anything: proc(5).
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory is the program's resident set, bytes.
func (s *server) memory() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// httpClient is the SDK's, with a connection kept for each client.
func httpClient(connections int) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = connections, connections
	})
}

var keys = credentials.NewStaticCredentialsProvider("test", "test", "")

func (s *server) sqs(connections int) *sqs.Client {
	return sqs.New(sqs.Options{BaseEndpoint: &s.url, Region: "us-east-1", Credentials: keys, HTTPClient: httpClient(connections)})
}

func (s *server) s3(connections int) *s3.Client {
	return s3.New(s3.Options{BaseEndpoint: &s.url, Region: "us-east-1", Credentials: keys, HTTPClient: httpClient(connections), UsePathStyle: true})
}

// queue makes a queue and returns its URL.
func queue(ctx context.Context, c *sqs.Client, name string) (*string, error) {
	out, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(name), Attributes: map[string]string{"VisibilityTimeout": "600"}})
	if err != nil {
		return nil, fmt.Errorf("create queue: %w", err)
	}
	return out.QueueUrl, nil
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "processor unknown"
	}
	_, after, _ := strings.Cut(string(b), "model name")
	_, after, _ = strings.Cut(after, ":")
	line, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(line)
}

var errNothing = errors.New("the queue gave no message")
