package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"mortise/abi/process/pluginv1"
)

const (
	configuration = `{"header": "x-greeting", "value": "hello"}`
	// Says that the test's program is to be the plugin.
	asPlugin = "GREET_AS_PLUGIN"
	wait     = 20 * time.Second
)

func TestMain(m *testing.M) {
	if os.Getenv(asPlugin) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// child is this program, started as the proxy starts it.
type child struct {
	*testing.T
	process *exec.Cmd
	input   io.WriteCloser
	stream  grpc.BidiStreamingClient[pluginv1.ToPlugin, pluginv1.ToHost]
}

// start starts the plugin with a listening socket and a session with these metadata.
func start(t *testing.T, network, token string, with ...string) *child {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "plugin.sock")
	}
	listener := must(net.Listen(network, address))(t)
	socket := must(listener.(interface{ File() (*os.File, error) }).File())(t)
	defer socket.Close()

	process := exec.Command(os.Args[0])
	process.Env = []string{asPlugin + "=1"}
	process.Stderr = os.Stderr
	process.ExtraFiles = []*os.File{socket}
	input := must(process.StdinPipe())(t)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		_ = listener.Close()
	})
	text := parameters(t, &pluginv1.BootstrapParams{
		Version: 1, ListenerFd: 3, Network: network, Address: listener.Addr().String(), Token: token,
	})
	if _, err := input.Write(text); err != nil {
		t.Fatal(err)
	}

	target := "passthrough:///" + listener.Addr().String()
	if network == "unix" {
		target = "unix:" + address
	}
	channel := must(grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials())))(t)
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	t.Cleanup(func() {
		cancel()
		_ = channel.Close()
	})
	ctx = metadata.AppendToOutgoingContext(ctx, with...)
	stream := must(pluginv1.NewPluginClient(channel).Session(ctx))(t)
	return &child{T: t, process: process, input: input, stream: stream}
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func parameters(t *testing.T, message proto.Message) []byte {
	t.Helper()
	text := must(proto.Marshal(message))(t)
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
}

func (c *child) tell(events ...*pluginv1.Event) {
	c.Helper()
	if err := c.stream.Send(&pluginv1.ToPlugin{Events: events}); err != nil {
		c.Fatal(err)
	}
}

func (c *child) ask(events ...*pluginv1.Event) []*pluginv1.Reply {
	c.Helper()
	c.tell(events...)
	return must(c.stream.Recv())(c.T).GetReplies()
}

// ends waits for the program's end and says whether it was a good one.
func (c *child) ends() error {
	c.Helper()
	ended := make(chan error, 1)
	go func() { ended <- c.process.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(wait):
		c.Fatal("the program goes on")
		return nil
	}
}

func TestASessionOverAUnixSocketAndOneOverTCPWithItsToken(t *testing.T) {
	for _, c := range []*child{
		start(t, "unix", ""),
		start(t, "tcp", "secret", "mortise-token", "secret"),
	} {
		back := c.ask(hello(1, 2))[0].GetHello()
		if back.GetVersion() != 1 || back.GetGeneration() != 3 {
			t.Error(back)
		}
		if err := c.ask(configure(configuration))[0].GetConfigured().GetError(); err != "" {
			t.Error(err)
		}
		answer := c.ask(open(1), headers(1, pluginv1.Side_REQUEST))[0].GetAnswer()
		if answer.GetVerdict().GetGo() != pluginv1.Go_CONTINUE || len(answer.GetChanges()) != 1 {
			t.Error(answer)
		}
	}
}

func TestASessionWithoutTheTokenIsRefused(t *testing.T) {
	for _, with := range [][]string{
		nil,
		{"mortise-token", "other"},
		{"mortise-token", ""},
		{"mortise-token", "secret", "mortise-token", "secret"},
	} {
		_, err := start(t, "tcp", "secret", with...).stream.Recv()
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("%v: %v", with, err)
		}
	}
}

func TestADrainedSessionEndsWithItsLastStream(t *testing.T) {
	c := start(t, "unix", "")
	c.ask(hello(1))
	c.ask(configure(configuration))
	c.tell(open(1), &pluginv1.Event{Kind: &pluginv1.Event_Drain{Drain: &pluginv1.Drain{}}})
	c.ask(headers(1, pluginv1.Side_REQUEST))
	c.tell(complete(1))
	if _, err := c.stream.Recv(); err != io.EOF {
		t.Error(err)
	}
}

func TestTheEndOfTheInputEndsTheProgramAlthoughASessionIsOpen(t *testing.T) {
	c := start(t, "unix", "")
	c.ask(hello(1))
	_ = c.input.Close()
	if err := c.ends(); err != nil {
		t.Error(err)
	}
}

func TestSIGTERMEndsTheProgram(t *testing.T) {
	c := start(t, "unix", "")
	c.ask(hello(1))
	_ = c.process.Process.Signal(syscall.SIGTERM)
	if err := c.ends(); err != nil {
		t.Error(err)
	}
}

func TestParametersThatMakeNoSenseAreRefused(t *testing.T) {
	good := &pluginv1.BootstrapParams{Version: 1, ListenerFd: 3, Network: "unix"}
	if _, err := readParameters(bytes.NewReader(parameters(t, good))); err != nil {
		t.Error(err)
	}
	for said, input := range map[string][]byte{
		"no parameters":  nil,
		"bytes":          {255, 255, 255, 255},
		"cut short":      {9, 0, 0, 0, 1},
		"cannot be read": {1, 0, 0, 0, 255},
		"version 1":      parameters(t, &pluginv1.BootstrapParams{Version: 2}),
		"without a token": parameters(t, &pluginv1.BootstrapParams{
			Version: 1, Network: "tcp",
		}),
	} {
		_, err := readParameters(bytes.NewReader(input))
		if err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%s: %v", said, err)
		}
	}
}
