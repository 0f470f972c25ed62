for i in 1 2 3 4; do
  systemctl restart voxcore@$i
  sleep 5
done
