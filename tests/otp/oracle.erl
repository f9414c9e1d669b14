%% Asks the supervisor of Erlang/OTP what it does: reads scenarios, lives through each with real
%% processes, and prints what happened as one line of JSON per scenario.
%%
%% A scenario is {Tree, Fates, Batches}. A tree is made of
%%     {worker, Path, Restart, Significant, Shutdown}
%%     {supervisor, Path, Restart, Significant, Shutdown, Flags, Children}
%% where a simple_one_for_one supervisor has its template as the only child. Fates says how the
%% N-th start of a worker goes if it does not go well: {Path, N, fail | ignore}, or the reason why
%% it ends as soon as it is up. A batch is {Supervisor, Moves}: deaths of its workers and calls to it, all of them in its mailbox in this
%% order before it looks at the first.
%%
%% Instances of a pool are named after the label that their start_child call carries, so that a
%% name means the same instance on both sides whoever counts how.
%%
%% It relies on one scheduler (+S 1): a signal is in the mailbox of its receiver once it is sent.
-module(oracle).
-behaviour(supervisor).
-export([main/1, init/1, start/2, start/3, worker/5]).

main(File) ->
    ok = logger:set_primary_config(level, none),
    {ok, Scenarios} = file:consult(File),
    lists:foreach(fun(Scenario) -> io:put_chars([json(apart(Scenario)), $\n]) end, Scenarios),
    halt(0).

%% In a process of its own, so that nothing of a scenario is left for the next.
apart(Scenario) ->
    {_, Monitor} = spawn_monitor(fun() -> exit({lived, live(Scenario)}) end),
    receive
        {'DOWN', Monitor, process, _, {lived, Records}} -> Records;
        {'DOWN', Monitor, process, _, Reason} -> exit({Scenario, Reason})
    end.

live({Tree, Fates, Batches}) ->
    process_flag(trap_exit, true),
    Book = ets:new(book, [public]),
    [ets:insert(Book, {{fate, Path, N}, Fate}) || {Path, N, Fate} <- Fates],
    Recorder = spawn_link(fun() -> recorder([]) end),
    Scene = {Book, Recorder},
    Top =
        case start(Scene, Tree) of
            {ok, Pid} -> Pid;
            {error, _} -> none
        end,
    First = record(Scene, Top, false, []),
    [First | [batch(Scene, Top, Batch) || Batch <- Batches]].

%% ---- What the supervisors are given --------------------------------------------------------

init({{Book, _} = Scene, {supervisor, Path, _, _, _, Flags, Children}}) ->
    Strategy = maps:get(strategy, Flags),
    ets:insert(Book, [{{supervisor, Path}, self()}, {{path, self()}, Path}]),
    ets:insert(Book, {{strategy, self()}, Strategy}),
    {ok, {Flags, [child_spec(Scene, Child) || Child <- Children]}}.

child_spec(Scene, Spec) ->
    #{
        id => element(2, Spec),
        start => {?MODULE, start, [Scene, Spec]},
        restart => element(3, Spec),
        significant => element(4, Spec),
        shutdown => element(5, Spec),
        type => element(1, Spec)
    }.

%% An instance: the label takes the place of the number that a manifest would show.
start(Scene, Template, Label) ->
    Old = element(2, Template),
    start(Scene, renamed(Template, Old, <<Old/binary, $-, Label/binary>>)).

renamed(Spec, Old, New) ->
    Size = byte_size(Old),
    <<Old:Size/binary, Rest/binary>> = element(2, Spec),
    case setelement(2, Spec, <<New/binary, Rest/binary>>) of
        {supervisor, Path, Restart, Significant, Shutdown, Flags, Children} ->
            Moved = [renamed(Child, Old, New) || Child <- Children],
            {supervisor, Path, Restart, Significant, Shutdown, Flags, Moved};
        Worker ->
            Worker
    end.

start(Scene, Spec) when element(1, Spec) =:= supervisor ->
    supervisor:start_link(?MODULE, {Scene, Spec});
start({Book, Recorder} = Scene, {worker, Path, _, _, Shutdown}) ->
    Recorder ! {log, <<"start ", Path/binary>>},
    N = ets:update_counter(Book, {count, Path}, 1, {{count, Path}, 0}),
    case ets:lookup(Book, {fate, Path, N}) of
        [{_, fail}] -> {error, failed};
        [{_, ignore}] -> ignore;
        [{_, Reason}] -> worker(Scene, Path, Shutdown, {die, Reason});
        [] -> worker(Scene, Path, Shutdown, stay)
    end.

worker(Scene, Path, Shutdown, Then) ->
    proc_lib:start_link(?MODULE, worker, [Scene, Path, Shutdown, self(), Then]).

worker({Book, Recorder}, Path, Shutdown, Supervisor, Then) ->
    process_flag(trap_exit, true),
    ets:insert(Book, [{{worker, Path}, self()}, {{path, self()}, Path}]),
    case Shutdown of
        brutal_kill -> ok = ask(Recorder, {watch, Path}); % it will not be able to say a word
        _ -> ok
    end,
    self() ! Then,
    proc_lib:init_ack({ok, self()}),
    live_on(Recorder, Path, Supervisor).

live_on(Recorder, Path, Supervisor) ->
    receive
        stay ->
            live_on(Recorder, Path, Supervisor);
        {die, Reason} ->
            exit(Reason);
        {'EXIT', Supervisor, Reason} ->
            Recorder ! {log, <<"stop ", Path/binary>>},
            exit(Reason)
    end.

%% ---- What has happened ---------------------------------------------------------------------

recorder(Log) ->
    receive
        {log, What} ->
            recorder([What | Log]);
        {ask, From, {watch, Path}} ->
            Monitor = monitor(process, From),
            put(Monitor, Path),
            From ! {self(), ok},
            recorder(Log);
        {'DOWN', Monitor, process, _, killed} ->
            Path = erase(Monitor),
            recorder([<<"stop ", Path/binary>> | Log]);
        {'DOWN', Monitor, process, _, _} ->
            erase(Monitor),
            recorder(Log);
        {ask, From, size} ->
            From ! {self(), length(Log)},
            recorder(Log);
        {ask, From, take} ->
            From ! {self(), lists:reverse(Log)},
            recorder([])
    end.

ask(Recorder, What) ->
    Recorder ! {ask, self(), What},
    receive
        {Recorder, Answer} -> Answer
    end.

record({_, Recorder} = Scene, Top, Skipped, Answers) ->
    Supervisors = settle(Scene, Top, none, 1000),
    #{
        skipped => Skipped,
        ended => not alive(Top),
        answers => Answers,
        trace => ask(Recorder, take),
        children => maps:map(fun(_, {Children, _}) -> Children end, Supervisors),
        counts => maps:map(fun(_, {_, Counts}) -> Counts end, Supervisors)
    }.

%% Look until nothing changes any more.
settle({_, Recorder} = Scene, Top, Last, Patience) when Patience > 0 ->
    Seen = {look(Scene, Top), ask(Recorder, size)},
    case Seen of
        {{ok, Supervisors}, _} when Seen =:= Last -> Supervisors;
        _ -> settle(Scene, Top, Seen, Patience - 1)
    end.

%% Every supervisor by path: its children in start order, and count_children.
look(Scene, Top) ->
    try
        {ok, maps:from_list(look_at(Scene, Top))}
    catch
        exit:_ -> gone_meanwhile;
        throw:restarting -> restarting
    end.

look_at({Book, _} = Scene, Pid) ->
    case alive(Pid) of
        false ->
            [];
        true ->
            Newest = supervisor:which_children(Pid),
            Counts = [Count || {_, Count} <- supervisor:count_children(Pid)],
            Oldest = [child(Book, Child) || Child <- lists:reverse(Newest)],
            Seen =
                case ets:lookup(Book, {strategy, Pid}) of
                    [{_, simple_one_for_one}] -> pool(Oldest, Counts);
                    _ -> {Oldest, Counts}
                end,
            Below = [look_at(Scene, Sub) || {_, Sub, supervisor, _} <- Newest, is_pid(Sub)],
            [{path(Book, Pid), Seen} | lists:append(Below)]
    end.

%% A pool has no order. OTP 25 keeps an entry without a meaning for an instance that was ignored
%% when it was restarted, and counts down `active` for one that was stopped before it was.
pool(Children, [Specs, _, Supervisors, Workers]) ->
    Up = lists:sort([Child || [_, up] = Child <- Children]),
    Bogus = length(Children) - length(Up),
    {Up, [Specs, length(Up), max(0, Supervisors - Bogus), max(0, Workers - Bogus)]}.

child(_, {_, restarting, _, _}) -> throw(restarting);
child(_, {undefined, undefined, _, _}) -> [<<"?">>, undefined];
child(Book, {undefined, Pid, _, _}) -> [path(Book, Pid), up];
child(_, {Path, undefined, _, _}) -> [Path, undefined];
child(_, {Path, _, _, _}) -> [Path, up].

path(Book, Pid) ->
    [{_, Path}] = ets:lookup(Book, {path, Pid}),
    Path.

%% Of the last one that had this path.
pid(Book, Kind, Path) ->
    case ets:lookup(Book, {Kind, Path}) of
        [{_, Pid}] -> Pid;
        [] -> none
    end.

alive(none) -> false;
alive(Pid) -> is_process_alive(Pid).

%% ---- What is done to them ------------------------------------------------------------------

batch({Book, _} = Scene, Top, {Path, Moves}) ->
    Supervisor = pid(Book, supervisor, Path),
    case alive(Supervisor) of
        false ->
            record(Scene, Top, true, []);
        true ->
            ok = sys:suspend(Supervisor),
            Calls = [move(Scene, Supervisor, Move) || Move <- Moves],
            ok = sys:resume(Supervisor),
            record(Scene, Top, false, [answer(Call) || Call <- Calls, Call =/= none])
    end.

%% Put it into the mailbox of the suspended supervisor.
move({Book, _}, Supervisor, {exit, Path, Reason}) ->
    Pid = pid(Book, worker, Path),
    case alive(Pid) of
        false ->
            none;
        true ->
            Before = waiting(Supervisor),
            Monitor = monitor(process, Pid),
            Pid ! {die, Reason},
            receive
                {'DOWN', Monitor, process, Pid, Reason} -> ok
            end,
            arrived(Supervisor, Before + 1),
            none
    end;
move({Book, _}, Supervisor, {call, terminate_instance, Path}) ->
    case [Pid || Kind <- [worker, supervisor], (Pid = pid(Book, Kind, Path)) =/= none] of
        [Pid] ->
            call(Supervisor, {terminate_child, Pid});
        [] ->
            % It never came up. A caller can only have the pid of some dead process.
            {Dead, Monitor} = spawn_monitor(fun() -> ok end),
            receive
                {'DOWN', Monitor, process, Dead, _} -> ok
            end,
            call(Supervisor, {terminate_child, Dead})
    end;
move(_, Supervisor, {call, Verb, Path}) ->
    call(Supervisor, {Verb, Path});
move(Scene, Supervisor, {add, Spec}) ->
    call(Supervisor, {start_child, child_spec(Scene, Spec)});
move(_, Supervisor, {instance, Label}) ->
    call(Supervisor, {start_child, [Label]}).

%% What terminate_child, restart_child, delete_child and start_child do, without waiting.
call(Supervisor, Request) ->
    Before = waiting(Supervisor),
    Call = gen_server:send_request(Supervisor, Request),
    arrived(Supervisor, Before + 1),
    {call, Call}.

waiting(Pid) ->
    {message_queue_len, Length} = process_info(Pid, message_queue_len),
    Length.

arrived(Pid, Length) ->
    case waiting(Pid) of
        Length ->
            ok;
        Fewer when Fewer < Length ->
            erlang:yield(),
            arrived(Pid, Length)
    end.

answer({call, Call}) -> answer(gen_server:receive_response(Call, 10000));
answer({reply, ok}) -> ok;
answer({reply, {ok, _}}) -> ok;
answer({reply, {error, {already_started, _}}}) -> already_started;
answer({reply, {error, Word}}) when is_atom(Word) -> Word;
answer({reply, {error, {bad_combination, _}}}) -> bad_combination;
answer({reply, {error, _}}) -> failed;
answer({error, _}) -> gone.

%% ---- JSON, as far as it is needed: paths and atoms have no character to escape ---------------

json(Map) when is_map(Map) ->
    Pairs = [[json(Key), $:, json(Value)] || {Key, Value} <- maps:to_list(Map)],
    [${, lists:join($,, Pairs), $}];
json(List) when is_list(List) -> [$[, lists:join($,, [json(Each) || Each <- List]), $]];
json(Bool) when is_boolean(Bool) -> atom_to_list(Bool);
json(Atom) when is_atom(Atom) -> [$", atom_to_list(Atom), $"];
json(Binary) when is_binary(Binary) -> [$", Binary, $"];
json(Integer) -> integer_to_list(Integer).
