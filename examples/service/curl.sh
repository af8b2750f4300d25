#!/bin/sh
# The service by curl: examples/service/curl.sh FILE [ADDRESS]
file=$1
address=${2:-http://127.0.0.1:8000}
set -e

# OpenAI's API: text, subtitles, and a stream of events
curl -sS "$address/v1/audio/transcriptions" -F "file=@$file" -F model=sensevoice -F response_format=text
curl -sS "$address/v1/audio/transcriptions" -F "file=@$file" -F model=sensevoice -F response_format=srt
curl -sSN "$address/v1/audio/transcriptions" -F "file=@$file" -F model=sensevoice -F stream=true

# Everything that is heard: language, emotion, events, words
curl -sS "$address/v1/transcribe" -F "file=@$file" -F timestamps=true -F languages=zh,en
