#!/bin/sh
# install.sh install HEADER...: copies headers, libraries, the rill command and the files for pkg-config and CMake.
# install.sh uninstall: removes them again, those of other versions too.
#
# The Makefile calls it in the repository's root, and says in the environment: BUILD, VERSION, SONAME, DESTDIR, PREFIX,
# LIBDIR, STRIP (a command that takes -g or --strip-unneeded and a file) STATIC_LIBS (what a program needs that links librill.a) and
# ONNX_LIBS (what one needs that links librill_onnx.a; empty where that is not built). No
# installed file names DESTDIR; none names PREFIX where LIBDIR is below it, so that the tree can be moved.
set -eu

case $PREFIX:$LIBDIR in
  *[[:space:]]*) problem='expected paths without blanks' ;;
  *[\"\'\`\#\;\$\&\|\\]*) problem="expected paths without any of \"'\`#;\$&|\\" ;;
  /*:/*) problem= ;;
  *) problem='expected absolute paths' ;;
esac
if [ -n "$problem" ]; then
  printf 'install: PREFIX=%s LIBDIR=%s: %s\n' "$PREFIX" "$LIBDIR" "$problem" >&2
  exit 2
fi

include=$DESTDIR$PREFIX/include/rill
bin=$DESTDIR$PREFIX/bin
lib=$DESTDIR$LIBDIR

# find does not follow include/rill where it is a symlink, for example to this folder.
remove_headers() {
  if [ -d "$include" ]; then find "$include" -name '*.hpp' -type f -delete; fi
}

fill() { # template, target, the prefix as the target writes it
  sed -e "s|@PREFIX@|$3|; s|@LIBDIR@|$libdir|; s|@STATIC_LIBS@|$STATIC_LIBS|" \
      -e "s|@ONNX_LIBS@|$ONNX_LIBS|; s|@ONNX_LIBS_LIST@|$(echo "$ONNX_LIBS" | tr -s ' ' ';')|" \
      -e "s|@STATIC_LIBS_LIST@|$(echo "$STATIC_LIBS" | tr -s ' ' ';')|" \
      -e "s|@VERSION@|$VERSION|; s|@SONAME@|$SONAME|; s|@ABI@|${SONAME#librill.so.}|" \
      -e "s|@MINOR@|${VERSION%.*}|" "tools/package/$1" >"$2"
  chmod 644 "$2"
}

# A loader that looks into LIBDIR finds a new library by its cache.
refresh_loader() {
  if [ -n "$DESTDIR" ]; then return; fi
  PATH=$PATH:/sbin:/usr/sbin
  for folder in $(ldconfig -N -X -v 2>/dev/null | sed -n 's|^\(/[^:]*\):.*|\1|p'); do
    if ! [ "$folder" -ef "$lib" ]; then continue; fi
    if [ "$(id -u)" -ne 0 ] || ! ldconfig; then
      printf 'install: run ldconfig as root, so that programs find %s\n' "$SONAME"
    fi
    return
  done
}

install_all() {
  # install-built takes what is there.
  if ! [ -f "$BUILD/lib/librill_onnx.a" ]; then ONNX_LIBS=; fi
  if [ -L "$include" ]; then
    printf 'install: %s is a symlink, expected a folder or nothing; remove it first\n' "$include" >&2
    exit 2
  fi
  remove_headers
  for header in "$@"; do install -D -m 644 "$header" "$include/$header"; done

  mkdir -p "$lib/pkgconfig" "$lib/cmake/rill"
  install -m 644 "$BUILD/lib/librill.a" "$lib/librill.a"
  install -m 755 "$BUILD/lib/librill.so.$VERSION" "$lib/librill.so.$VERSION"
  ln -sf "librill.so.$VERSION" "$lib/$SONAME"
  ln -sf "$SONAME" "$lib/librill.so"
  $STRIP -g "$lib/librill.a"
  $STRIP --strip-unneeded "$lib/librill.so.$VERSION"
  if [ -f "$BUILD/bin/rill" ]; then
    install -D -m 755 "$BUILD/bin/rill" "$bin/rill"
    $STRIP -g "$bin/rill"
  fi

  rm -f "$lib/librill_onnx.a" "$lib/pkgconfig/rill-onnx.pc"
  if [ -n "$ONNX_LIBS" ]; then
    install -m 644 "$BUILD/lib/librill_onnx.a" "$lib/librill_onnx.a"
    $STRIP -g "$lib/librill_onnx.a"
  fi

  below=${LIBDIR#"$PREFIX"/}
  if [ "$below" = "$LIBDIR" ]; then
    libdir=$LIBDIR pc_prefix=$PREFIX cmake_prefix=$PREFIX
  else
    up=$(echo "$below" | sed 's|[^/][^/]*|..|g')
    libdir="\${prefix}/$below"
    pc_prefix="\${pcfiledir}/../$up"
    cmake_prefix="\${_rill_here}/../../$up"
  fi
  fill rill.pc.in "$lib/pkgconfig/rill.pc" "$pc_prefix"
  if [ -n "$ONNX_LIBS" ]; then fill rill-onnx.pc.in "$lib/pkgconfig/rill-onnx.pc" "$pc_prefix"; fi
  fill rill-config.cmake.in "$lib/cmake/rill/rill-config.cmake" "$cmake_prefix"
  fill rill-config-version.cmake.in "$lib/cmake/rill/rill-config-version.cmake" "$cmake_prefix"
  refresh_loader
}

uninstall_all() {
  remove_headers
  if [ -d "$include" ]; then find "$include" -type d -empty -delete; fi
  rm -f "$bin/rill" "$lib/librill.a" "$lib/librill.so" "$lib"/librill.so.[0-9]* "$lib/pkgconfig/rill.pc" \
        "$lib/librill_onnx.a" "$lib/pkgconfig/rill-onnx.pc" \
        "$lib/cmake/rill/rill-config.cmake" "$lib/cmake/rill/rill-config-version.cmake"
  if [ -d "$lib/cmake/rill" ]; then rmdir --ignore-fail-on-non-empty "$lib/cmake/rill"; fi
}

case ${1:-} in
  install)
    shift
    install_all "$@"
    ;;
  uninstall) uninstall_all ;;
  *)
    printf 'install: %s: unknown, expected install or uninstall\n' "${1:-}" >&2
    exit 2
    ;;
esac
