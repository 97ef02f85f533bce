# Draws what examples/dead_neurons wrote into a folder: gnuplot -c examples/dead_neurons.gp runs/dead_neurons
# Writes rescue, units, death, activity, loss and sweep beside the numbers, each as .svg and .png; what a run did not
# make is left out. Titles are those of the standard set-ups.
run = ARG1
set datafile separator ","
set datafile missing "nan"
set datafile columnheaders

# Okabe and Ito's colours, which colour-blind readers can tell apart.
blue = "#0072B2"; sky = "#56B4E9"; green = "#009E73"; orange = "#E69F00"; vermilion = "#D55E00"; purple = "#CC79A7"
black = "#000000"; grey = "#888888"; light = "#dddddd"

# A file with something below its first line.
there(name) = int(system("test -e '".run."/".name."' && awk 'END { print (NR > 1) }' '".run."/".name."' || echo 0"))
percent(x) = 100 * x

# Terminals of one size each: pixels of the SVG; the PNG has twice as many.
svg(w, h) = sprintf("set terminal svg size %d,%d font 'sans-serif,13' background 'white'", w, h)
png(w, h) = sprintf("set terminal pngcairo size %d,%d font 'sans,20' linewidth 2", 2 * w, 2 * h)
start(kind, w, h) = kind eq "svg" ? svg(w, h) : png(w, h)
large(kind) = kind eq "svg" ? ",16" : ",24"

set border 3 linecolor rgb "#666666"
set tics nomirror
set grid linetype 1 linewidth 0.5 linecolor rgb light

# ---- the rescue -----------------------------------------------------------------------------------------------------

if (there("rescue.csv")) {
  file = run."/rescue.csv"
  # The first branch, which does the damage, has the learning rate in its name.
  damage = system("awk -F, 'NR == 2 { print $1 }' '".file."'")
  hot = substr(damage, strlen("after_lr_") + 1, strlen(damage))
  stats file using (strcol(1) eq damage ? $3 : NaN) nooutput
  cut = STATS_max
  stats file using 3 nooutput
  last = STATS_max
  of(name, column) = strcol(1) eq name ? 100 * column : NaN
  stats file using (strcol(1) eq "recycle" && $3 == last ? 100 * $4 : NaN) nooutput
  good = STATS_mean; low_good = STATS_min
  stats file using (strcol(1) eq "continue" && $3 == last ? 100 * $4 : NaN) nooutput
  bad = STATS_mean; low_bad = STATS_min
  # Lines of one branch and seed; between seeds the step falls back.
  do for [kind in "svg png"] {
    eval start(kind, 900, 620)
    set output run."/rescue.".kind
    set multiplot
    unset xlabel
    set xrange [0:last]
    set lmargin at screen 0.09
    set rmargin at screen 0.975
    set arrow 1 from cut, graph 0 to cut, graph 1 nohead linecolor rgb grey dashtype 2 front

    set tmargin at screen 0.90
    set bmargin at screen 0.55
    set title "Lowering the learning rate revives hardly any dead unit; recycling them once does" font large(kind)
    set ylabel "test accuracy (%)"
    set yrange [0:100]
    set format x ""
    set label 1 sprintf("Adam, learning rate %s", hot) at cut / 2.0, graph 0.08 center textcolor rgb "#444444"
    set label 2 "learning rate 0.001" at (cut + last) / 2.0, graph 0.08 center textcolor rgb "#444444"
    set label 3 sprintf("recycled once: %.1f %% on average", good) at last, low_good - 7 right tc rgb blue
    set label 4 sprintf("just going on: %.1f %% on average", bad) at last, low_bad - 7 right tc rgb vermilion
    unset key
    plot for [seed = 0:9] file using (int($2) == seed ? $3 : NaN):(of(damage, $4)) with lines lw 2 lc rgb black, \
         for [seed = 0:9] file using (int($2) == seed ? $3 : NaN):(of("continue", $4)) with lines lw 2 lc rgb vermilion, \
         for [seed = 0:9] file using (int($2) == seed ? $3 : NaN):(of("recycle", $4)) with lines lw 2 lc rgb blue
    unset title
    unset label

    set tmargin at screen 0.50
    set bmargin at screen 0.12
    set format x "%g"
    set xlabel "step"
    set ylabel "dead units (%)"
    set key at graph 0.98, 0.72 right samplen 2
    plot for [seed = 0:9] file using (int($2) == seed ? $3 : NaN):(of(damage, $5)) with lines lw 2 lc rgb black notitle, \
         for [seed = 0:9] file using (int($2) == seed ? $3 : NaN):(of("continue", $5)) with lines lw 2 lc rgb vermilion notitle, \
         for [seed = 0:9] file using (int($2) == seed ? $3 : NaN):(of("recycle", $5)) with lines lw 2 lc rgb blue notitle, \
         NaN with lines lw 2 lc rgb black title "784-100x4-10 with ReLU on MNIST, a line a seed", \
         NaN with lines lw 2 lc rgb vermilion title "just going on", \
         NaN with lines lw 2 lc rgb blue title "dead units recycled once, then going on"
    unset arrow 1
    unset multiplot
  }
  set lmargin; set rmargin; set tmargin; set bmargin
  unset xlabel
}

# ---- how often each unit is on, through the rescue ------------------------------------------------------------------

if (there("units_continue.csv") && there("units_recycle.csv")) {
  first = run."/units_continue.csv"
  columns = int(system("awk -F, 'NR == 1 { print NF - 1 }' '".first."'"))
  units = int(system("awk 'END { print NR - 1 }' '".first."'"))
  layers = int(system("awk -F'[.,]' 'END { print $1 }' '".first."'"))
  every = real(system("awk -F, 'NR == 1 { print $3 }' '".first."'"))
  last = (columns - 1) * every
  border_of(l) = 1.0 * l * units / layers - 0.5
  set datafile nocolumnheaders
  do for [kind in "svg png"] {
    eval start(kind, 1000, 640)
    set output run."/units.".kind
    set multiplot title sprintf("The rescue, unit by unit: how often each of %d is on (grey: never)", units) font large(kind)
    set palette defined (0 "#440154", 1 "#472d7b", 2 "#3b528b", 3 "#2c728e", 4 "#21918c", 5 "#28ae80", 6 "#5ec962", 7 "#addc30", 8 "#fde725")
    set cbrange [0:100]
    set colorbox user origin 0.915, 0.12 size 0.018, 0.74
    set cblabel "images for which the unit is on (%)"
    set xrange [-every / 2.0:last + every / 2.0]
    set yrange [units - 0.5:-0.5]
    set xlabel "step"
    unset ylabel
    unset ytics
    unset grid
    set border 15
    set tmargin at screen 0.86
    set bmargin at screen 0.12
    do for [l = 1:layers - 1] { set arrow (10 + l) from graph 0, first border_of(l) to graph 1, first border_of(l) nohead front lc rgb "white" lw 1.5 }
    set arrow 30 from cut + every / 2.0, graph 0 to cut + every / 2.0, graph 1 nohead front lc rgb "white" dashtype 2 lw 1.5
    set object 1 rectangle from graph 0, graph 0 to graph 1, graph 1 behind fillcolor rgb "#bbbbbb" fillstyle solid noborder
    do for [panel in "continue recycle"] {
      left = panel eq "continue"
      if (left) { set lmargin at screen 0.05; set rmargin at screen 0.46; set title "just going on" } \
      else { set lmargin at screen 0.49; set rmargin at screen 0.90; set title "dead units recycled once, then going on" }
      if (left) { unset colorbox } else { set colorbox }
      do for [l = 1:layers] { set label (10 + l) (left ? sprintf("layer %d", l) : "") at graph -0.04, first (border_of(l - 1) + border_of(l)) / 2 rotate center }
      plot "< tail -n +2 '".run."/units_".panel.".csv' | cut -d, -f2-" matrix using ($1 * every):2:($3 == 0 ? NaN : 100 * $3) with image notitle
    }
    unset multiplot
    unset label
    unset arrow
    unset object 1
  }
  set datafile columnheaders
  set border 3 linecolor rgb "#666666"
  set grid linetype 1 linewidth 0.5 linecolor rgb light
  set ytics nomirror
  set lmargin; set rmargin; set tmargin; set bmargin
  unset title
}

# ---- death over time, layer by layer --------------------------------------------------------------------------------

if (there("death_B.csv")) {
  file = run."/death_B.csv"
  colours = "#000000 #0072B2 #D55E00 #E69F00 #009E73 #CC79A7 #56B4E9"
  layers = int(system("awk -F, 'NR == 1 { print NF - 2 }' '".file."'"))
  do for [kind in "svg png"] {
    eval start(kind, 1000, 460)
    set output run."/death.".kind
    set xtics 0,100
    set multiplot layout 1,2 title "Units that are never on, layer by layer, in training with Adam at far too high a learning rate" font large(kind)
    set xrange [0:*]
    set yrange [0:100]
    set xlabel "step"
    set ylabel "never on (% of the layer)"
    do for [variant in "relu leaky_relu:0.3"] {
      if (variant eq "relu") { set title "ReLU: these units are dead" } else { set title "LeakyReLU, slope 0.3: these still learn" }
      set key default
      if (variant eq "relu") { set key bottom right } else { set key top right }
      plot for [layer = 1:layers] file using (strcol(1) eq variant ? $2 : NaN):(100 * column(2 + layer)) \
        with lines lw 2.5 lc rgb word(colours, layer) title sprintf("layer %d", layer)
    }
    unset multiplot
  }
}

# ---- how often units are on at the end ------------------------------------------------------------------------------

if (there("activity_B.csv") && there("activity_C.csv")) {
  title_of(variant) = variant eq "relu" ? "ReLU" : variant eq "leaky_relu:0.1" ? "LeakyReLU, slope 0.1" : \
    variant eq "leaky_relu:0.3" ? "LeakyReLU, slope 0.3" : variant eq "elu" ? "ELU" : \
    variant eq "relu+batch_norm" ? "ReLU after BatchNorm" : variant eq "relu+recycle" ? "ReLU, recycled every 100 steps" : variant
  panels = "C:relu B:relu B:leaky_relu:0.3 B:elu B:relu+batch_norm B:relu+recycle"
  set style fill solid 1.0 noborder
  do for [kind in "svg png"] {
    eval start(kind, 1000, 600)
    set output run."/activity.".kind
    set multiplot layout 2,3 title "How often units are on after training: all units of all seeds, over 10,000 images" font large(kind)
    set boxwidth 0.045
    set xrange [-0.09:1.02]
    set yrange [0:100]
    set xtics ("never" -0.045, "25" 0.25, "50" 0.5, "75" 0.75, "100" 1)
    unset key
    do for [panel in panels] {
      experiment = panel[1:1]
      variant = panel[3:*]
      file = run."/activity_".experiment.".csv"
      set title title_of(variant).(experiment eq "C" ? ", lr 0.001" : ", lr 0.05")
      set xlabel "images for which the unit is on (%)"
      set ylabel "units (%)"
      plot file using (strcol(1) eq variant ? -0.045 : NaN):(100 * $2) with boxes lc rgb vermilion, \
           for [bin = 0:19] file using (strcol(1) eq variant ? bin * 0.05 + 0.025 : NaN):(100 * (column(4 + bin) + (bin == 19 ? $3 : 0))) with boxes lc rgb blue
    }
    unset multiplot
  }
  set xtics autofreq
}

# ---- loss by activation ---------------------------------------------------------------------------------------------

if (there("loss_A.csv") && there("loss_B.csv") && there("loss_C.csv")) {
  names = "relu leaky_relu:0.01 leaky_relu:0.1 leaky_relu:0.3 elu prelu gelu"
  shown = "ReLU|LeakyReLU, 0.01|LeakyReLU, 0.1|LeakyReLU, 0.3|ELU|PReLU|GELU"
  colours = vermilion." ".orange." ".sky." ".blue." ".green." ".purple." ".black
  label_of(i) = system(sprintf("printf '%%s' '%s' | cut -d'|' -f%d", shown, i))
  do for [kind in "svg png"] {
    eval start(kind, 1200, 470)
    set output run."/loss.".kind
    set multiplot layout 1,3 title "Training loss by activation: median of the seeds" font large(kind)
    set xtics 0,200
    set xrange [0:*]
    set yrange [*:*]
    set xlabel "step"
    set ylabel "training loss (cross-entropy)"
    do for [experiment in "A B C"] {
      file = run."/loss_".experiment.".csv"
      set logscale y
      set key default
      set key Left reverse samplen 2
      if (experiment eq "A") { set title "A: hidden biases start at -0.5 (SGD, lr 0.1)"; set yrange [0.1:3]; set key bottom left }
      if (experiment eq "B") { set xtics 0,100; set title "B: learning rate too high (Adam, lr 0.05)"; set yrange [0.1:100]; unset key }
      if (experiment eq "C") { set xtics 0,200; set title "C: the control (Adam, lr 0.001)"; set yrange [0.05:3]; unset key }
      plot file using "step":word(names, 1) with lines lw 4 lc rgb word(colours, 1) title label_of(1), \
           file using "step":word(names, 2) with lines lw 2 dt 2 lc rgb word(colours, 2) title label_of(2), \
           for [i = 3:words(names)] file using "step":word(names, i) with lines lw 2 lc rgb word(colours, i) title label_of(i)
    }
    unset multiplot
    unset logscale y
    set xtics autofreq
  }
}

# ---- the sweep over slopes ------------------------------------------------------------------------------------------

if (int(system("grep -c '^sweep,leaky_relu' '".run."/dead_neurons.csv'"))) {
  file = run."/dead_neurons.csv"
  slopes = "0 0.001 0.01 0.1 0.2 0.3 1"
  place(name) = (at = NaN, sum [i = 1:words(slopes)] (name eq "leaky_relu:".word(slopes, i) ? (at = i, 0) : 0), at)
  x(row) = strcol(1) eq "sweep" ? place(strcol(2)) : NaN
  do for [kind in "svg png"] {
    eval start(kind, 860, 460)
    set output run."/sweep.".kind
    set title "How much slope keeps units on: LeakyReLU, Adam at learning rate 0.05" font large(kind)
    set xrange [0.5:7.5]
    set yrange [0:100]
    unset xtics
    set xtics nomirror ("0 (ReLU)" 1, "0.001" 2, "0.01" 3, "0.1" 4, "0.2" 5, "0.3" 6, "1 (linear)" 7)
    set xlabel "negative slope"
    set ylabel "test accuracy, and units never on (%)"
    set key default
    set key at graph 0.98, 0.66 right Left reverse samplen 2
    plot file using (x(0)):(100 * $4) smooth unique with lines lw 2 lc rgb blue title "test accuracy, mean", \
         file using (x(0) - 0.05):(100 * $4) with points pt 7 ps 0.8 lc rgb blue title "of one seed", \
         file using (x(0)):(100 * $5) smooth unique with lines lw 2 lc rgb vermilion title "units never on, mean", \
         file using (x(0) + 0.05):(100 * $5) with points pt 5 ps 0.8 lc rgb vermilion title "of one seed"
  }
}
