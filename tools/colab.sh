#!/usr/bin/env bash
# Inside Colab's image: run each chapter of /book alone in an empty folder. Fails if one fails, or if a set-up cell
# changed the torch or the numpy that Colab brings.
set -uo pipefail

versions() { python3 -c 'from importlib.metadata import version as v; print("torch", v("torch"), "numpy", v("numpy"))'; }

before=$(versions)
failed=0
echo "$before"
for chapter in /book/*.ipynb; do
  folder=$(mktemp -d)
  cp "$chapter" "$folder"
  cd "$folder" || exit 2
  start=$SECONDS
  if jupyter nbconvert --to notebook --execute --output executed "$(basename "$chapter")" >log 2>&1; then
    echo "$(basename "$chapter"): passed in $((SECONDS - start)) s"
  else
    echo "$(basename "$chapter"): failed"
    tail -n 40 log
    failed=1
  fi
done

after=$(versions)
if [ "$before" != "$after" ]; then
  echo "a set-up cell changed $before into $after"
  failed=1
fi
exit $failed
