// LiveKit's Go SDK on strings: commands as JSON lines in, what the room tells as JSON lines out.
//
// It needs no codec: tones come as files of Opus packets, and what is heard goes out as packets, for the test to decode.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

type object = map[string]any

// Command is one line of the test; each uses the fields that it needs.
type Command struct {
	ID            int               `json:"id"`
	Do            string            `json:"do"`
	URL           string            `json:"url"`
	Token         string            `json:"token"`
	Version       int               `json:"version"`
	AutoSubscribe *bool             `json:"auto_subscribe"`
	RelayOnly     bool              `json:"relay_only"`
	Packets       string            `json:"packets"`
	Name          string            `json:"name"`
	SID           string            `json:"sid"`
	Muted         bool              `json:"muted"`
	Subscribed    bool              `json:"subscribed"`
	Payload       string            `json:"payload"`
	Text          string            `json:"text"`
	Topic         string            `json:"topic"`
	Reliable      bool              `json:"reliable"`
	To            json.RawMessage   `json:"to"`
	Method        string            `json:"method"`
	Metadata      string            `json:"metadata"`
	Attributes    map[string]string `json:"attributes"`
}

var (
	output sync.Mutex
	start  = time.Now()
)

func tell(message object) {
	message["at"] = time.Since(start).Milliseconds()
	line, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	output.Lock()
	defer output.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

// Member is one member of one room.
type Member struct {
	room         *lksdk.Room
	publications sync.Map // track SID: *lksdk.LocalTrackPublication
}

func main() {
	member := &Member{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<16), 1<<20)
	for lines.Scan() {
		var command Command
		if err := json.Unmarshal(lines.Bytes(), &command); err != nil {
			panic(err)
		}
		go func() {
			result, err := member.obey(command)
			if err != nil {
				tell(object{"id": command.ID, "error": err.Error()})
				return
			}
			tell(object{"id": command.ID, "result": result})
		}()
	}
}

func (m *Member) obey(command Command) (any, error) {
	switch command.Do {
	case "join":
		return m.join(command)
	case "publish":
		return m.publish(command)
	case "unpublish":
		return nil, m.room.LocalParticipant.UnpublishTrack(command.SID)
	case "mute":
		publication, known := m.publications.Load(command.SID)
		if !known {
			return nil, errors.New("no such track: " + command.SID)
		}
		publication.(*lksdk.LocalTrackPublication).SetMuted(command.Muted)
		return nil, nil
	case "subscribe":
		return nil, m.subscribe(command.SID, command.Subscribed)
	case "data":
		return nil, m.room.LocalParticipant.PublishDataPacket(
			&lksdk.UserDataPacket{Payload: []byte(command.Payload), Topic: command.Topic},
			lksdk.WithDataPublishReliable(command.Reliable),
			lksdk.WithDataPublishDestination(several(command.To)),
		)
	case "text":
		m.room.LocalParticipant.SendText(command.Text, lksdk.StreamTextOptions{
			Topic: command.Topic, Attributes: command.Attributes, DestinationIdentities: several(command.To),
		})
		return nil, nil
	case "rpc":
		var to string
		if err := json.Unmarshal(command.To, &to); err != nil {
			return nil, err
		}
		return m.room.LocalParticipant.PerformRpc(lksdk.PerformRpcParams{
			DestinationIdentity: to, Method: command.Method, Payload: command.Payload,
		})
	case "metadata":
		m.room.LocalParticipant.SetMetadata(command.Metadata)
		return nil, nil
	case "attributes":
		m.room.LocalParticipant.SetAttributes(command.Attributes)
		return nil, nil
	case "name":
		m.room.LocalParticipant.SetName(command.Name)
		return nil, nil
	case "leave":
		m.room.Disconnect()
		return nil, nil
	}
	return nil, errors.New("no such command: " + command.Do)
}

func several(names json.RawMessage) []string {
	var found []string
	_ = json.Unmarshal(names, &found)
	return found
}

func (m *Member) join(command Command) (any, error) {
	options := []lksdk.ConnectOption{lksdk.WithAutoSubscribe(command.AutoSubscribe == nil || *command.AutoSubscribe)}
	if command.Version == 1 {
		options = append(options, lksdk.WithSinglePeerConnection())
	}
	if command.RelayOnly {
		options = append(options, lksdk.WithICETransportPolicy(webrtc.ICETransportPolicyRelay))
	}
	if m.room != nil { // the application takes another server
		go m.room.Disconnect()
	}
	room := lksdk.NewRoom(callbacks())
	m.room = room
	err := room.RegisterRpcMethod("echo", func(call lksdk.RpcInvocationData) (string, error) {
		if call.Payload == "fail" {
			why := "why"
			return "", lksdk.NewRpcError(1234, "failed as asked", &why)
		}
		return call.CallerIdentity + ":" + call.Payload, nil
	})
	if err != nil {
		return nil, err
	}
	for _, topic := range []string{"chat", "lk.transcription"} {
		err := room.RegisterTextStreamHandler(topic, func(reader *lksdk.TextStreamReader, sender string) {
			go func() {
				text := reader.ReadAll()
				tell(object{"event": "text", "sender": sender, "topic": topic, "text": text, "attributes": reader.Info.Attributes})
			}()
		})
		if err != nil {
			return nil, err
		}
	}
	if err := room.JoinWithToken(command.URL, command.Token, options...); err != nil {
		return nil, err
	}
	return object{"identity": room.LocalParticipant.Identity(), "sid": room.LocalParticipant.SID()}, nil
}

func (m *Member) publish(command Command) (any, error) {
	tone, err := readTone(command.Packets)
	if err != nil {
		return nil, err
	}
	track, err := lksdk.NewLocalTrack(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2})
	if err != nil {
		return nil, err
	}
	if err := track.StartWrite(tone, nil); err != nil {
		return nil, err
	}
	name := command.Name
	if name == "" {
		name = "tone"
	}
	publication, err := m.room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{
		Name: name, Source: livekit.TrackSource_MICROPHONE, DisableDTX: true,
	})
	if err != nil {
		return nil, err
	}
	m.publications.Store(publication.SID(), publication)
	return object{"sid": publication.SID()}, nil
}

func (m *Member) subscribe(sid string, subscribed bool) error {
	for _, member := range m.room.GetRemoteParticipants() {
		for _, publication := range member.TrackPublications() {
			if remote, ok := publication.(*lksdk.RemoteTrackPublication); ok && publication.SID() == sid {
				return remote.SetSubscribed(subscribed)
			}
		}
	}
	return errors.New("no such track: " + sid)
}

// Tone plays packets of 20 ms, again and again.
type Tone struct {
	lksdk.BaseSampleProvider
	packets [][]byte
	next    int
}

func readTone(path string) (*Tone, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	tone := &Tone{}
	for len(data) >= 2 {
		length := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+length {
			return nil, fmt.Errorf("%s ends inside a packet", path)
		}
		tone.packets, data = append(tone.packets, data[2:2+length]), data[2+length:]
	}
	return tone, nil
}

// NextSample gives the next packet; the track sends one each 20 ms.
func (t *Tone) NextSample(context.Context) (media.Sample, error) {
	packet := t.packets[t.next%len(t.packets)]
	t.next++
	return media.Sample{Data: packet, Duration: 20 * time.Millisecond}, nil
}

// CurrentAudioLevel is that of a speaker, in -dBov.
func (t *Tone) CurrentAudioLevel() uint8 { return 15 }

// listen hands on what comes, ten packets a line at most, each with its time stamp and when it came in milliseconds.
func listen(track *webrtc.TrackRemote, sid, sender string) {
	packets := make([]object, 0, 10)
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		if len(packet.Payload) == 0 {
			continue
		}
		packets = append(packets, object{
			"opus": base64.StdEncoding.EncodeToString(packet.Payload), "stamp": packet.Timestamp,
			"number": packet.SequenceNumber, "came": time.Since(start).Milliseconds(),
		})
		if len(packets) == cap(packets) {
			tell(object{"event": "opus", "sender": sender, "sid": sid, "packets": packets})
			packets = packets[:0]
		}
	}
}

func callbacks() *lksdk.RoomCallback {
	muted := func(publication lksdk.TrackPublication, p lksdk.Participant, muted bool) {
		tell(object{"event": "muted", "sender": p.Identity(), "sid": publication.SID(), "muted": muted})
	}
	return &lksdk.RoomCallback{
		OnDisconnectedWithReason: func(reason lksdk.DisconnectionReason) {
			tell(object{"event": "state", "state": "disconnected", "reason": reason})
		},
		OnReconnecting: func() { tell(object{"event": "state", "state": "reconnecting"}) },
		OnReconnected:  func() { tell(object{"event": "state", "state": "reconnected"}) },
		OnParticipantConnected: func(p *lksdk.RemoteParticipant) {
			tell(object{"event": "member", "sender": p.Identity(), "there": true, "kind": p.Kind()})
		},
		OnParticipantDisconnected: func(p *lksdk.RemoteParticipant) {
			tell(object{"event": "member", "sender": p.Identity(), "there": false})
		},
		OnActiveSpeakersChanged: func(speakers []lksdk.Participant) {
			identities := make([]string, 0, len(speakers))
			for _, speaker := range speakers {
				identities = append(identities, speaker.Identity())
			}
			tell(object{"event": "speakers", "identities": identities})
		},
		OnRoomMetadataChanged: func(metadata string) { tell(object{"event": "room_metadata", "metadata": metadata}) },
		OnLocalTrackSubscribed: func(publication *lksdk.LocalTrackPublication, _ *lksdk.LocalParticipant) {
			tell(object{"event": "listened", "sid": publication.SID()})
		},
		ParticipantCallback: lksdk.ParticipantCallback{
			OnTrackMuted:   func(track lksdk.TrackPublication, p lksdk.Participant) { muted(track, p, true) },
			OnTrackUnmuted: func(track lksdk.TrackPublication, p lksdk.Participant) { muted(track, p, false) },
			OnMetadataChanged: func(_ string, p lksdk.Participant) {
				tell(object{"event": "metadata", "sender": p.Identity(), "metadata": p.Metadata()})
			},
			OnAttributesChanged: func(_ map[string]string, p lksdk.Participant) {
				tell(object{"event": "attributes", "sender": p.Identity(), "attributes": p.Attributes()})
			},
			OnConnectionQualityChanged: func(update *livekit.ConnectionQualityInfo, p lksdk.Participant) {
				tell(object{"event": "quality", "sender": p.Identity(), "quality": int(update.Quality)})
			},
			OnTrackPublished: func(track *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant) {
				tell(object{"event": "published", "sender": p.Identity(), "sid": track.SID()})
			},
			OnTrackUnpublished: func(track *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant) {
				tell(object{"event": "unpublished", "sender": p.Identity(), "sid": track.SID()})
			},
			OnTrackSubscribed: func(track *webrtc.TrackRemote, publication *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant) {
				tell(object{"event": "subscribed", "sender": p.Identity(), "sid": publication.SID(), "kind": track.Kind().String()})
				if track.Kind() == webrtc.RTPCodecTypeAudio {
					go listen(track, publication.SID(), p.Identity())
				}
			},
			OnTrackUnsubscribed: func(_ *webrtc.TrackRemote, publication *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant) {
				tell(object{"event": "unsubscribed", "sender": p.Identity(), "sid": publication.SID()})
			},
			OnDataPacket: func(data lksdk.DataPacket, params lksdk.DataReceiveParams) {
				if user, ok := data.(*lksdk.UserDataPacket); ok {
					tell(object{"event": "data", "sender": params.SenderIdentity, "topic": user.Topic, "payload": string(user.Payload)})
				}
			},
			OnTranscriptionReceived: func(segments []*lksdk.TranscriptionSegment, p lksdk.Participant, track lksdk.TrackPublication) {
				for _, one := range segments {
					told := object{"event": "transcription", "segment": one.ID, "text": one.Text, "final": one.Final}
					if p != nil {
						told["sender"] = p.Identity()
					}
					if track != nil {
						told["sid"] = track.SID()
					}
					tell(told)
				}
			},
		},
	}
}
